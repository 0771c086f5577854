"""The conformance kit: is a backend right, and what of it is its own?

Run it as `allumette conform NAME`, or from any project as::

    pytest -p allumette_core.conformance.plugin --pyargs allumette_core.conformance.suite \\
        --allumette-backend=NAME

It needs the extra `allumette-core[conformance]`. Everything it runs is a `Check` (`check.py`), made
by the module of its level: `level0` data, `level1` every primitive in every dtype, `level2`
layouts, `level3` derivatives, `level4` random programs, `level5` robustness. What a result should
be comes from `oracle.py`, in higher precision; how far off it may be from
`tolerance.py`.
"""
