import base64
import hashlib
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gtn_tf.config import default_config
from gtn_tf.figures import curriculum as plots
from gtn_tf.report import write as report
from gtn_tf.report.page import scale_of
from gtn_tf.report.results import read_results
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.experiment_results import RESULTS, write_experiments
from tests.helpers.finished_search import write_search
from tests.helpers.report_workdirs import (
    EVALUATION,
    HOSTILE,
    RETRAINING,
    Page,
    changed,
    curriculum_arrays,
    write_real_examples,
    write_retraining,
    write_workdir,
)

_ROOT = Path(__file__).parents[2]
_ALL = ("metrics", "evaluation", "export")


def page_of(workdir):
    return Page(report.build_page(read_results(workdir)))


@pytest.mark.parametrize(
    "parts",
    [
        parts
        for number in range(4)
        for parts in itertools.combinations(_ALL, number)
    ],
    ids=" ".join,
)
def test_sections_are_those_of_the_files_there(tmp_path, parts):
    workdir = write_workdir(tmp_path / "run", *parts)
    if not parts:
        with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
            read_results(workdir)
        assert "holds no results" in str(info.value)
        return
    expected = {"notes", "reproduce", "config", "provenance"}
    expected |= {"evaluation"} if "evaluation" in parts else set()
    expected |= {"curriculum"} if "export" in parts else set()
    expected |= {"meta-training"} if {*parts} - {"evaluation"} else set()
    found = page_of(workdir)
    assert {*found.sections} == expected
    assert len(found.sections) == len(expected)
    assert ("Test accuracy" in found.cards) == ("evaluation" in parts)
    assert ("Meta-training" in found.cards) == ("metrics" in parts)


def test_numbers_of_the_evaluation(tmp_path):
    found = page_of(write_workdir(tmp_path / "run", "evaluation"))
    tuned = found.row("real, tuned ratesbest of <24> rates")
    assert tuned[1:] == [
        *("61.25 %", "[59.25, 63.25]", "", "4.25 %", "7", "12,345"),
        *("62.5 ms", "12.6 min"),
    ]
    assert found.row("GTN")[1:] == [
        *("71.25 %", "-", "", "-", "1", "20", "-", "-"),
    ]
    assert found.row("noise")[1:] == ["-"] * 8
    names = [row[0] for row in found.tables]
    assert names.index("GTN") < names.index(tuned[0]) < names.index("noise")
    assert "1,360 test images" in found.text
    transfer = ["conv2_fc", "GTN", "50.00 %", "[45.00, 55.00]", "", "4"]
    assert found.row("conv2_fc") == transfer


def test_verdicts_ask_whether_the_interval_excludes_0(tmp_path):
    found = page_of(write_workdir(tmp_path / "run", "evaluation"))
    assert found.row("GTN \u2212 real, tuned rates")[1:] == [
        *("better", "+10.00", "[+8.01, +11.99]", "", "7"),
    ]
    assert found.row("GTN \u2212 real, learned rates")[1:] == [
        *("no difference shown", "+1.10", "[+0.00, +2.20]", "", "-"),
    ]
    assert found.row("GTN \u2212 distilled images")[1:] == [
        *("worse", "\u22122.00", "[\u22123.01, \u22120.99]", "", "-"),
    ]
    card = found.cards["Against real, tuned rates"]
    assert card.startswith("+10.00 pointsbetter;")
    assert "[+8.01, +11.99]" in card
    card = found.cards["Against real, learned rates"]
    assert card.startswith("+1.10 pointsno difference shown;")
    # Every rival has a tile, one that is ahead too.
    card = found.cards["Against distilled images"]
    assert card.startswith("\u22122.00 pointsworse;")
    assert [n for n in found.cards if n.startswith("Against")] == [
        "Against distilled images",
        "Against real, learned rates",
        "Against real, tuned rates",
    ]


def test_intervals_are_drawn_on_a_scale_of_their_own():
    scale = scale_of([(0.8, (0.75, 0.85)), (0.9, None), (0.7, (None, None))])
    assert scale == (0.7, 0.9)
    bar = str(scale.bar(0.8, (0.75, 0.85)))
    assert "--low: 25.00%; --width: 50.00%; --mean: 50.00%" in bar
    assert "--zero" not in bar
    # What an interval has beyond the scale is cut; a value is an arrow.
    bar = str(scale.bar(0.8, (0.6, 0.95), zero=0.75))
    assert "--low: 0.00%; --width: 100.00%; --mean: 50.00%" in bar
    assert "--zero: 25.00%" in bar
    assert "\u25c2" in scale.bar(0.1, (0.05, 0.15))
    assert "\u25b8" in scale.bar(1.0, None)
    assert scale.bar(None, None) == ""
    low, high = scale_of([(0.5, None)])
    assert low < 0.5 < high
    assert scale_of([], 0.0)


def test_numbers_of_the_run(tmp_path):
    found = page_of(write_workdir(tmp_path / "run", *_ALL))
    card = found.cards["Validation accuracy"]
    assert card == "31.25 %after meta-step 2; mean of 2 learners"
    assert found.cards["Meta-training"] == "8.50 s3 of 8 meta-steps"
    assert found.cards["Test accuracy"].startswith("71.25 %")
    assert found.cards["tensorflow"] == "2.21.0"
    assert found.cards["devices"] == "CPU, CPU"
    assert found.cards["versions of the export"] == "gtn_tf 9.8.7"
    assert found.cards["versions of the evaluation"] == "keras 3.99"


def test_metrics_that_are_no_finite_numbers(tmp_path):
    rows = [
        {"step": 1, "meta_loss": float("nan"), "validation_accuracy": 0.5},
        {"step": 2, "meta_loss": "x", "validation_accuracy": float("inf")},
    ]
    found = page_of(write_workdir(tmp_path / "run", "metrics", rows=rows))
    assert found.cards["Validation accuracy"].startswith("50.00 %after meta-s")
    assert found.cards["Meta-training"] == "-2 of 8 meta-steps"
    assert "nan" not in found.text.lower().split()


def test_the_image_is_the_grid_of_the_arrays(tmp_path):
    arrays = curriculum_arrays()
    workdir = write_workdir(tmp_path / "run", "export", arrays=arrays)
    found = page_of(workdir)
    (image,) = found.images
    kind, data = image["src"].split(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        pixels = np.asarray(picture)
    label_ids = np.tile(np.arange(3), (2, 1))
    expected = plots.curriculum_grid(arrays["images"], label_ids, 0.25, 0.5)
    np.testing.assert_array_equal(pixels, expected)
    assert (image["width"], image["height"]) == ("66", "100")
    assert image["class"] == "synthetic"
    assert "3 classes" in image["alt"]
    assert "this is one" in found.text  # of many draws


def test_real_images_stand_beside_the_synthetic_ones(tmp_path):
    workdir = write_workdir(tmp_path / "run", "export", "evaluation")
    examples = write_real_examples(workdir)
    found = page_of(workdir)
    strip, beside, grid = found.images
    assert grid["class"] == "synthetic"
    for image, expected in (
        (beside, plots.real_grid(examples)),
        (strip, plots.real_grid(examples[:, :1].swapaxes(0, 1))),
    ):
        data = base64.b64decode(image["src"].partition(",")[2])
        with Image.open(io.BytesIO(data)) as picture:
            np.testing.assert_array_equal(np.asarray(picture), expected)
    lesson = json.loads(found.lesson)
    assert (lesson["pitch"], lesson["classes"]) == ([34, 34], 3)
    assert lesson["facts"] == [
        f"{step} of 2: learning rate 0.125, momentum 0.5; test accuracy after "
        f"it {accuracy} %"
        for step, accuracy in ((1, "35.00"), (2, "71.25"))
    ]
    (workdir / "export" / "real_images.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        read_results(workdir)


@pytest.mark.parametrize(
    ("source", "head", "words"),
    [
        ("gtn", "GTN on", "(GTN) learns to make training data."),
        ("distillation", "Distilled images on", "distilled training data."),
        ("real", "Learned rates on", "for training on real images."),
    ],
)
def test_the_head_says_what_is_learned(tmp_path, source, head, words):
    rows = [{"step": 1, "meta_loss": 4.5, "final_meta_loss": 2.0}]
    found = page_of(
        write_workdir(tmp_path / "run", "metrics", rows=rows, source=source)
    )
    assert f"{head} digits" in found.text
    assert words in found.text
    assert ("synthetic images, learner" in found.text) == (source != "real")


def test_the_meta_loss_is_explained(tmp_path):
    rows = [{"step": 1, "meta_loss": 4.5, "final_meta_loss": 2.0}]
    more = {"inner.meta_loss_every": 1}
    workdir = write_workdir(tmp_path / "run", "metrics", rows=rows, **more)
    assert "the sum of 2 cross-entropies" in page_of(workdir).text
    more = {"inner.meta_loss_every": 0}
    workdir = write_workdir(tmp_path / "last", "metrics", rows=rows, **more)
    assert "after its last inner step" in page_of(workdir).text


def test_of_many_inner_steps_32_are_drawn(tmp_path):
    arrays = curriculum_arrays(100)
    found = page_of(write_workdir(tmp_path / "r", "export", arrays=arrays))
    assert found.images[0]["width"] == str(32 * 34 - 2)
    assert "32 of 100 inner steps" in found.text
    texts = [text for text in found.texts if text.strip()]
    end = texts.index("inner step")
    steps = [int(text) for text in texts[end - 32 : end]]
    assert (steps[0], steps[-1]) == (1, 100)
    assert {*np.diff(steps)} == {3, 4}


def test_config_marks_what_differs_from_the_defaults(tmp_path):
    found = page_of(write_workdir(tmp_path / "run", "metrics"))
    assert found.row("inner.num_steps")[1:3] == ["2", "32"]
    assert found.row("generator.dense_widths")[1:3] == ["(8,)", "(1024,)"]
    assert found.row("inner.momentum")[1:3] == ["0.5", ""]


def _print_config():
    from gtn_tf import main

    def mode(config, workdir):
        print(json.dumps([config.to_dict(), str(workdir)]), file=sys.stderr)
        return 0

    main.MODES["pretrain"] = mode


def test_the_command_gives_the_config_of_the_run(tmp_path):
    values = {
        "jit_compile": False,
        "meta.global_clipnorm": 0.5,
        "learner.widths": (2, (3, 5)),
        "dataset.data_dir": "/data and 'more'",
        "curriculum.learn_labels": True,
        "search.evaluators": ("gtn", "real:steps=20"),
        "evaluation.arms": ("meta.num_steps=2;learner.widths=(2,3)",),
    }
    workdir = write_workdir(tmp_path / "a run", "metrics", **values)
    shell = "python() { printf '%s\\n' \"$@\"; }\n" + page_of(workdir).command
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True)
    command = done.stdout.splitlines()
    assert command[:4] == [
        *("-m", "gtn_tf.main", "--config=default"),
        f"--workdir={workdir}",
    ]
    done = tiny.run_main(
        workdir,
        *command[4:],
        config="default",
        hook=_print_config,
    )
    assert done.code == 0, done
    saved = json.loads((workdir / "config.json").read_text())
    saved.pop("environment")
    assert json.loads(done.errors) == [saved, str(workdir)]
    assert not any("momentum" in flag for flag in command)  # a default


def test_the_base_of_the_command_has_every_default():
    from configs import default

    assert default.get_config().to_dict() == default_config().to_dict()


def test_hostile_text_stays_text(tmp_path):
    evaluation = changed(EVALUATION, ["sources", "gtn", "how"], HOSTILE)
    gtn = evaluation["sources"]["gtn"]
    evaluation["differences"][HOSTILE] = {"mean": 0.0, "ci95": None}
    evaluation["transfer"] = {HOSTILE: {HOSTILE: gtn}}
    evaluation["learner"] = evaluation["versions"] = {HOSTILE: HOSTILE}
    workdir = write_workdir(tmp_path / "run", *_ALL, evaluation=evaluation)
    saved = json.loads((workdir / "config.json").read_text())
    saved["dataset"]["data_dir"] = HOSTILE
    saved["environment"] = {HOSTILE: [HOSTILE]}
    (workdir / "config.json").write_text(json.dumps(saved))
    in_figures = HOSTILE.replace("\ud800", "$x$")  # no font has it
    ranked = changed(write_search(workdir), ["selected", "key"], HOSTILE)
    for part, old, new in (
        ("evaluators", "params", in_figures),
        ("differences", "gtn - params", f"gtn - {in_figures}"),
    ):
        values = {new if k == old else k: v for k, v in ranked[part].items()}
        ranked[part] = values
    (workdir / "search" / "ranking.json").write_text(json.dumps(ranked))
    short = "</pre><script>&"
    experiment = changed(RESULTS["transfer"], ["dataset"], short)
    for key in ("arms", "chosen_by"):
        experiment[key] = {short: experiment[key]["own"]}
    write_experiments(workdir, transfer=experiment)
    write_retraining(workdir, changed(RETRAINING, ["dataset"], HOSTILE))
    assert report.report(tiny.get_config(), workdir) == 0
    text = (workdir / "report.html").read_text()
    assert text.count("<script") == text.count("</script") == 1  # our own
    assert "onerror" not in text
    found = Page(text)
    # As text: of the evaluation, config, search, training and so on.
    assert found.text.count('</style><script>alert("1")</script>&amp;') >= 12
    assert found.text.count(short) >= 3


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    workdir = write_workdir(tmp_path / "run", *_ALL)
    text = report.build_page(read_results(workdir))
    found = Page(text)
    assert found.references
    for tag, reference in found.references:
        assert reference.startswith(("data:", "#")), (tag, reference)
    assert "url(" not in text.replace("url(#", "")
    assert "@import" not in text
    # A browser runs this one script, whatever else a page might hold.
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
    assert f"script-src 'sha256-{digest.decode()}'" in text
    assert "default-src 'none'" in text


def test_the_same_files_make_the_same_bytes(tmp_path):
    workdir = write_workdir(tmp_path / "run", *_ALL)
    code = "import sys; from gtn_tf.report import results, write\n"
    code += "found = results.read_results(sys.argv[1])\n"
    code += "sys.stdout.write(write.build_page(found))"
    # Of Python's hashes: here they have another seed, a random one.
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    done = subprocess.run(
        [sys.executable, "-c", code, workdir],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=_ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == report.build_page(read_results(workdir))


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        (["sources"], {}, "no sources"),
        (["sources"], KeyError, "'sources'"),
        (["sources", "mine"], {}, "sources.mine"),
        (["sources", "gtn", "accuracy"], None, "sources.gtn.accuracy"),
        (["sources", "gtn", "ci95"], KeyError, "sources.gtn.ci95"),
        (["sources", "gtn", "accuracy_per_step"], [], "accuracy_per_step"),
        (["sources", "gtn", "ci95_per_step"], [[0, 1]], "1 of 2 bands"),
        (["sources", "gtn", "setup_seconds"], "x", "setup_seconds"),
        (["sources", "gtn", "validation_curve"], [[1]], "validation_curve"),
        (["differences", "gtn - real", "mean"], KeyError, "gtn - real.mean"),
        (["transfer", "conv2_fc", "gtn"], [], "transfer.conv2_fc.gtn"),
    ],
    ids=str,
)
def test_damaged_evaluation(tmp_path, path, value, part):
    evaluation = changed(EVALUATION, path, value)
    workdir = write_workdir(
        tmp_path / "run", "metrics", "evaluation", evaluation=evaluation
    )
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        report.report(tiny.get_config(), workdir)
    assert "evaluation.json' is damaged" in str(info.value)
    assert part in str(info.value)
    assert not (workdir / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("evaluation.json", b"{", "is no JSON"),
        ("evaluation.json", b"[]", "no JSON object"),
        ("metrics.jsonl", b"x\n{}\n", "metrics.jsonl:1 is damaged"),
        ("export/metadata.json", b"{}", "'normalisation'"),
        ("export/curriculum.npz", b"PK", "curriculum.npz' is damaged"),
        ("config.json", b"[]", "config.json' is damaged"),
    ],
)
def test_damaged_files(tmp_path, name, content, part):
    workdir = write_workdir(tmp_path / "run", *_ALL)
    (workdir / name).write_bytes(content)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        report.report(tiny.get_config(), workdir)
    assert part in str(info.value)


def test_the_config_has_to_be_that_of_the_workdir(tmp_path):
    workdir = write_workdir(tmp_path / "run", *_ALL)
    config = tiny.get_config()
    config.meta.num_steps = 99  # may change
    assert report.report(config, workdir) == 0
    assert "3 of 8 meta-steps" in (workdir / "report.html").read_text()
    config.inner.num_steps = 3
    with pytest.raises(InputError, match=r"inner\.num_steps=3 \(saved: 2\)"):
        report.report(config, workdir)


def test_the_command_line_needs_no_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemError('imported')")
    workdir = write_workdir(tmp_path / "run", *_ALL)
    arguments = [f"--config={tiny.__file__}", f"--workdir={workdir}"]
    done = subprocess.run(
        [sys.executable, "-m", "gtn_tf.main", *arguments, "--mode=report"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{_ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    path = workdir / "report.html"
    assert (done.returncode, done.stderr) == (0, f"{path}\n")
    assert Page(path.read_text()).cards["Test accuracy"].startswith("71.25 %")
    assert not [p.name for p in workdir.iterdir() if p.suffix == ".tmp"]


@pytest.mark.parametrize("make", [True, False])
def test_the_command_line_without_results(tmp_path, make):
    workdir = tmp_path / "run"
    if make:
        write_workdir(workdir, "metrics", rows=[])
    done = tiny.run_main(workdir, "--mode=report")
    tiny.assert_one_line(done, 2, "holds no results", "--mode=pretrain")
    assert not (workdir / "report.html").exists()


_BROWSER = next(
    filter(
        None,
        map(shutil.which, ("chromium", "chromium-browser", "google-chrome")),
    ),
    None,
)
_DRIVER = shutil.which("chromedriver")
_FLAGS = """
--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync
"""


@pytest.fixture
def browser(tmp_path):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = _BROWSER
    for flag in _FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path / 'browser'}")
    logs = {"browser": "ALL", "performance": "ALL"}
    options.set_capability("goog:loggingPrefs", logs)
    # With a path to the driver, selenium looks for none to download.
    service = Service(_DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def _look(browser, width, scheme):
    """Returns what a reader of that width and colour scheme sees."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": width,
            "height": 800,
            "deviceScaleFactor": 1,
            "mobile": width < 500,
        },
    )
    return browser.execute_script(
        """
        const colour = (e, key) => getComputedStyle(e)[key];
        const shown = document.querySelectorAll("figure svg, figure img");
        return {
          overflow: document.documentElement.scrollWidth -
            document.documentElement.clientWidth,
          width: innerWidth,
          figures: [...shown].map(e => {
            const box = e.getBoundingClientRect();
            return [e.checkVisibility({visibilityProperty: true}),
                    box.width, box.height];
          }),
          page: colour(document.body, "backgroundColor"),
          text: colour(document.body, "color"),
          inks: [...document.querySelectorAll("svg text")].map(
            e => colour(e, "fill")),
          letters: [...document.querySelectorAll(".wide text")].map(
            e => parseFloat(colour(e, "fontSize")) *
              Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b)),
          unreachable: [...document.querySelectorAll(".scroll, pre")].filter(
            e => e.tabIndex != 0 && e.scrollWidth > e.clientWidth).length,
          image: colour(document.querySelector(".synthetic"),
            "imageRendering"),
          loaded: document.querySelector(".synthetic").naturalWidth,
          hints: [...document.querySelectorAll(".hint")].filter(
            e => e.checkVisibility()).length,
        };
        """
    )


def _slide(browser, place):
    """Moves the slider; returns what it says, and a pixel that it shows."""
    return browser.execute_script(
        """
        const lesson = document.querySelector(".lesson");
        const slider = lesson.querySelector("input");
        slider.value = arguments[0] == 0 ? 0 : slider.max;
        slider.dispatchEvent(new Event("input"));
        const pen = lesson.querySelector("canvas").getContext("2d");
        return [lesson.querySelector("output").textContent,
                [...pen.getImageData(3, 3, 1, 1).data]];
        """,
        place,
    )


@pytest.mark.skipif(
    _BROWSER is None or _DRIVER is None,
    reason="no chromium or google-chrome with its chromedriver",
)
def test_a_browser_shows_the_page(tmp_path, browser):
    evaluation = changed(EVALUATION, ["sources", "gtn", "how"], HOSTILE)
    evaluation["versions"] = {"long": HOSTILE}
    arrays = curriculum_arrays(40)
    workdir = write_workdir(
        tmp_path / "run", *_ALL, evaluation=evaluation, arrays=arrays
    )
    write_real_examples(workdir)
    write_search(workdir)
    write_experiments(workdir, **RESULTS)
    write_retraining(workdir)
    report.report(tiny.get_config(), workdir)
    # What matplotlib draws in its own black is lost on a dark page.
    assert "#000000" not in (workdir / "report.html").read_text()
    address = (workdir / "report.html").as_uri()
    browser.get(address)
    browser.execute_script(
        "document.querySelectorAll('details').forEach(e => e.open = true)"
    )
    pages = set()
    for width, scheme in itertools.product((360, 1280), ("light", "dark")):
        seen = _look(browser, width, scheme)
        assert seen["width"] == width
        assert seen["overflow"] == 0, "the page scrolls sideways"
        # Of the evaluation and the run 7, of the search 6.
        assert len(seen["figures"]) == 7 + 6 + len(RESULTS)
        for is_visible, box_width, box_height in seen["figures"]:
            assert is_visible
            assert box_width > 40
            assert box_height > 50
        assert {*seen["inks"]} == {seen["text"]}
        assert min(seen["letters"]) > 8.5
        assert seen["unreachable"] == 0
        assert seen["page"] != seen["text"]
        assert seen["image"] == "pixelated"
        assert seen["loaded"] == 32 * 34 - 2
        assert (seen["hints"] > 5) == (width < 500)
        pages.add((scheme, seen["page"], seen["text"]))
    assert len(pages) == 2
    assert len({page for _, page, _ in pages}) == 2
    assert browser.get_log("browser") == []
    before, after = _slide(browser, 0), _slide(browser, 39)
    assert before[0].startswith("1 of 40: learning rate 0.125, ")
    assert after[0].startswith("40 of 40: ")
    steps = np.linspace(0, 39, 32).round().astype(int)
    grid = plots.curriculum_grid(
        arrays["images"][steps], np.tile(np.arange(3), (32, 1)), 0.25, 0.5
    )
    assert before[1] == grid[3, 3].tolist()
    assert after[1] == grid[3, 31 * 34 + 3].tolist()
    messages = [
        json.loads(entry["message"])["message"]
        for entry in browser.get_log("performance")
    ]
    requested = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        # The browser's own start page has requests too.
        and message["params"]["documentURL"] == address
    }
    assert {u for u in requested if not u.startswith("data:")} == {address}
