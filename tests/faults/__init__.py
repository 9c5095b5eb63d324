"""Real faults under load: after each, the table holds what enqueue_point accepted, all of it, once, in order."""

import pytest

# So that an assertion in these shows the values, like one in a test.
pytest.register_assert_rewrite("tests.faults.load", "tests.faults.site", "tests.faults.waiting")
