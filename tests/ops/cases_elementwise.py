from tests.ops.spec import SPECS, Spec, binary, unary
SPECS["sin"] = Spec(unary(), lambda x: x.sin())
SPECS["multiply"] = Spec(binary(), lambda x, y: x * y)
