"""What users call: functions of tensors, named as in the array API and NumPy where they exist.

Every function composes from primitives, and so works on every backend and under every transform.
A module says in `__all__` what of it is public.
"""

from . import creation, derived, elementwise, manipulation, reductions, scans, tiling
from .creation import *
from .derived import *
from .elementwise import *
from .manipulation import *
from .reductions import *
from .scans import *
from .tiling import *

__all__: list[str] = []
__all__ += creation.__all__
__all__ += derived.__all__
__all__ += elementwise.__all__
__all__ += manipulation.__all__
__all__ += reductions.__all__
__all__ += scans.__all__
__all__ += tiling.__all__
