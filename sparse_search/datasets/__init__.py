"""Where images come from: one file per format, one line per source in ``registry.py``.

A loader reads everything but the test split into a ``RawDataset``; ``sparse_search.dataset`` cuts
off the validation split. To add a source, write a file with a function that returns a
``RawDataset`` and a ``Source`` that names it, and list that ``Source`` in ``registry.SOURCES``.
"""
