"use strict";
// The slider: the inner batch of one step, cut out of the grid of all steps.
for (const lesson of document.querySelectorAll(".lesson")) {
  const { facts, pitch, classes } = JSON.parse(lesson.dataset.lesson);
  const grid = document.querySelector(".tiles img.synthetic");
  const slider = lesson.querySelector("input");
  const canvas = lesson.querySelector("canvas");
  const [across, down] = pitch;
  canvas.width = classes * across - 2;
  canvas.height = down - 2;
  const show = () => {
    const step = Number(slider.value);
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (let k = 0; k < classes; k++) {
      pen.drawImage(grid, step * across, k * down, across - 2, down - 2,
        k * across, 0, across - 2, down - 2);
    }
    lesson.querySelector("output").textContent = facts[step];
  };
  slider.addEventListener("input", show);
  grid.decode().then(() => { lesson.hidden = false; show(); });
}
// A word where a box can be scrolled sideways.
for (const box of document.querySelectorAll(".scroll")) {
  const mark = () => box.classList.toggle("more",
    box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  box.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(box);
}
