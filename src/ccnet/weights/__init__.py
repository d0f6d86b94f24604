"""Weights: the models that ship, their cards, and files of weights, published checkpoints too."""

from ccnet.weights.registry import Model, find_model, list_models, load_network

__all__ = ["Model", "find_model", "list_models", "load_network"]
