"""What users call: functions of tensors, named as in the array API and NumPy where they exist.

Every function composes from primitives, and so works on every backend and under every transform.
A module says in `__all__` what of it is public.
"""

from . import (
    activations,
    contraction,
    convolution,
    creation,
    derived,
    elementwise,
    gathering,
    indexing,
    joining,
    linalg,
    logic,
    losses,
    manipulation,
    nn,
    norms,
    pooling,
    ranges,
    reductions,
    scans,
    sorting,
    tiling,
)
from .activations import *
from .contraction import *
from .convolution import *
from .creation import *
from .derived import *
from .elementwise import *
from .gathering import *
from .indexing import *
from .joining import *
from .linalg import *
from .logic import *
from .losses import *
from .manipulation import *
from .nn import *
from .norms import *
from .pooling import *
from .ranges import *
from .reductions import *
from .scans import *
from .sorting import *
from .tiling import *

__all__: list[str] = []
__all__ += activations.__all__
__all__ += contraction.__all__
__all__ += convolution.__all__
__all__ += creation.__all__
__all__ += derived.__all__
__all__ += elementwise.__all__
__all__ += gathering.__all__
__all__ += indexing.__all__
__all__ += joining.__all__
__all__ += linalg.__all__
__all__ += logic.__all__
__all__ += losses.__all__
__all__ += manipulation.__all__
__all__ += nn.__all__
__all__ += norms.__all__
__all__ += pooling.__all__
__all__ += ranges.__all__
__all__ += reductions.__all__
__all__ += scans.__all__
__all__ += sorting.__all__
__all__ += tiling.__all__
