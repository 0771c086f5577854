"""Reading data files: CSV, NPZ and directories of IDX files."""

from allumette_train.data.dataset import Category, Dataset, Features, Part
from allumette_train.data.preprocessing import Preprocessing
from allumette_train.data.reading import read_data

__all__ = ["Category", "Dataset", "Features", "Part", "Preprocessing", "read_data"]
