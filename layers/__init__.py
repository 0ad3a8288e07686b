"""Layers: modules with parameters. Import as `tinygrad_lite.layers`."""

from tinygrad_lite.layers import init
from tinygrad_lite.layers.containers import ModuleDict, ModuleList, ParameterList, Sequential
from tinygrad_lite.layers.linear import Flatten, Identity, Linear, Unflatten
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
