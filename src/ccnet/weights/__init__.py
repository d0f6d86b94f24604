"""Weights: the models that have a name, their cards, and files of weights, published ones too."""

from ccnet.weights.model import Model
from ccnet.weights.registry import find_model, list_models, load_network

__all__ = ["Model", "find_model", "list_models", "load_network"]
