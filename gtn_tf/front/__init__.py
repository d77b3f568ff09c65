"""What a person calls from Python: `gtn_tf.fit`.

It makes a config of arguments and goes through the same doors as the command
line. What an export can do once it is there is `gtn_tf.export`'s.
"""
