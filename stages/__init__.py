"""Carryover's stages. Arithmetic is the machine's own here, whatever the shell is set to.

These variables choose kernels or block sizes for numpy's and torch's linear algebra, and other
kernels round differently: a sampled token on the edge then falls the other way, and a run under
one shell differs from the same run under another. They must be gone before numpy is imported,
which is why this stands where every ``python -m stages.<stage>`` begins.
"""

import os

for _name in (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "DNNL_DEFAULT_FPMATH_MODE",
    "ATEN_CPU_CAPABILITY",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
):
    os.environ.pop(_name, None)
