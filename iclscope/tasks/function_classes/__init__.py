"""Functions learnt in context from pairs x, f(x): the tasks of Garg 2022."""

from iclscope.tasks.function_classes.function_class import FunctionClass
from iclscope.tasks.function_classes.functions import FunctionName
from iclscope.tasks.function_classes.inputs import InputName
from iclscope.tasks.function_prompts import FunctionPrompts

__all__ = ["FunctionClass", "FunctionName", "FunctionPrompts", "InputName"]
