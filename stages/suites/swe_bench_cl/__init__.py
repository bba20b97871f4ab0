"""SWE-Bench-CL: 273 tasks of SWE-bench Verified as eight sequences, run for real and graded.

`python -m stages.suites.swe_bench_cl table FILE` prints the statistics table, checked cell by
cell; `check TASK...` proves real tasks on this machine with scripted agents.
Source: Joshi et al. (2025), arXiv:2507.00014; Jimenez et al. (2024), arXiv:2310.06770.
"""
