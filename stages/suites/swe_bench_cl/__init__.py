"""SWE-Bench-CL: 273 tasks of SWE-bench Verified as eight sequences, run for real and graded.

`python -m stages.suites.swe_bench_cl <file>` prints the statistics table, checked cell by cell.
Source: Joshi et al. (2025), arXiv:2507.00014; Jimenez et al. (2024), arXiv:2310.06770.
"""
