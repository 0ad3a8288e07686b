"""Layers: modules with parameters. Import as `tinygrad_lite.layers`."""
# ruff: noqa: F401, F403

from tinygrad_lite.layers import init
from tinygrad_lite.layers.activation import *
from tinygrad_lite.layers.attention import *
from tinygrad_lite.layers.batch_renorm import *
from tinygrad_lite.layers.containers import *
from tinygrad_lite.layers.convolution import *
from tinygrad_lite.layers.distance import *
from tinygrad_lite.layers.dropout import *
from tinygrad_lite.layers.embedding import *
from tinygrad_lite.layers.functional import *
from tinygrad_lite.layers.hooks import *
from tinygrad_lite.layers.linear import *
from tinygrad_lite.layers.loss import *
from tinygrad_lite.layers.loss_classification import *
from tinygrad_lite.layers.masked_convolution import *
from tinygrad_lite.layers.module import *
from tinygrad_lite.layers.normalization import *
from tinygrad_lite.layers.packing import *
from tinygrad_lite.layers.padding import *
from tinygrad_lite.layers.parameter import *
from tinygrad_lite.layers.piecewise import *
from tinygrad_lite.layers.pooling import *
from tinygrad_lite.layers.recurrent import *
from tinygrad_lite.layers.recurrent_variants import *
from tinygrad_lite.layers.reparametrization import *
from tinygrad_lite.layers.resnet import *
from tinygrad_lite.layers.reversible import *
from tinygrad_lite.layers.revnet import *
from tinygrad_lite.layers.sparse_maps import *
from tinygrad_lite.layers.summary import *
from tinygrad_lite.layers.transformer import *
from tinygrad_lite.layers.upsampling import *
from tinygrad_lite.layers.vgg import *
