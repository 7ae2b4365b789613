"""``examples/pages/frameworks``, for those who cannot wait."""

from examples.pages.frameworks import app as example
from tests.helpers.quick import with_quick_ends

app = with_quick_ends(example)
