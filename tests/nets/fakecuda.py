"""A stand-in for a CUDA device: real values in main memory, in tensors that say `cuda:0` and do not mix with others.

``with fake_cuda() as fake:`` makes torch believe in a GPU. What a GPU would refuse is refused: tensors of both devices
in one operation, `.numpy()` of the GPU's, a generator of the other device. Half precision is that of the CPU, which
rounds alike (sums in float32, results in bfloat16). `fake` counts what the GPU would be asked: kernels (operations),
copies, and the moments at which the host waits for it, by line of n2n.

Not here: torch.compile, cuDNN's choice of algorithms, memory, time, and CUDA's own random numbers. It leans on some
private names of the torch that requirements.lock pins.
"""

import collections
import contextlib
import traceback
import unittest.mock as mock
from types import SimpleNamespace

import torch
import torch._dynamo
from torch.overrides import TorchFunctionMode
from torch.utils import _foreach_utils
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")
NO_KERNEL = """view _unsafe_view expand permute transpose t slice select unsqueeze squeeze as_strided alias detach split
unbind lift_fresh _reshape_alias unfold diagonal split_with_sizes empty empty_like empty_strided new_empty
new_empty_strided is_same_size _local_scalar_dense real view_as_real"""
FREE = frozenset(NO_KERNEL.split())
# Operations the host has to wait for: how large their result is depends on values.
DYNAMIC = {"nonzero", "masked_select", "_unique2", "unique_dim", "repeat_interleave"}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
_Generator, _Autocast = torch.Generator, torch.autocast


class Dev(torch.Tensor):
    """A tensor on the device."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=CPU,
        )

    def __init__(self, inner):
        self.there = inner

    device, is_cuda, is_cpu = (property(lambda self, value=value: value) for value in (CUDA, True, False))

    def __tensor_flatten__(self):
        return ["there"], None

    @staticmethod
    def __tensor_unflatten__(inner, meta, size, stride):
        return Dev(inner["there"])

    def __repr__(self):
        return f"Dev({self.there!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return FakeCuda.current.run(func, args, kwargs or {})


def _dev(t):
    return t if isinstance(t, Dev) else Dev(t)


class DevGenerator(_Generator):
    """Random numbers on the device."""

    device = property(lambda self: CUDA)


class AnyGenerator(_Generator):
    """What `torch.Generator` is under the stand-in."""

    def __new__(cls, device="cpu"):
        return _Generator.__new__(DevGenerator if torch.device(device).type == "cuda" else _Generator)


class Moves(TorchFunctionMode):
    """Moving is seen at the surface: beneath, all tensors are in main memory."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        fake = FakeCuda.current
        if func is torch.Tensor.numpy and isinstance(args[0], Dev):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")
        if func is torch.Tensor.__array__ and isinstance(args[0], Dev):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")
        if func is torch.Tensor.cpu:
            return fake.move(args[0], CPU, False)
        if func is torch.Tensor.cuda:
            return fake.move(args[0], CUDA, False)
        if func is torch.Tensor.tolist and isinstance(args[0], Dev):
            return fake.move(args[0], CPU, False).tolist()
        if func is torch.Tensor.to:
            tensor, rest = args[0], args[1:]
            if rest and isinstance(rest[0], torch.Tensor):
                device, dtype, blocking, memory = rest[0].device, rest[0].dtype, kwargs.get("non_blocking", False), None
            else:
                device, dtype, blocking, memory = torch._C._nn._parse_to(*rest, **kwargs)
            if device is not None:
                tensor = fake.move(tensor, device, blocking)
            options = {} if memory is None else {"memory_format": memory}
            return func(tensor, dtype or tensor.dtype, **options)
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            return fake.move(func(*args, **kwargs | {"device": CPU}), kwargs["device"], False)
        if func is torch.Tensor.backward and isinstance(args[0], Dev):
            # Beneath, gradients nobody asked for are zeros in main memory; a GPU would have them on the device.
            fake.inherits = True
            try:
                return func(*args, **kwargs)
            finally:
                fake.inherits = False
        given = [*args, *kwargs.values()]
        on = any(isinstance(x, Dev) for x in given) or torch.device(kwargs.get("device") or "cpu").type == "cuda"
        if any(isinstance(x, _Generator) and isinstance(x, DevGenerator) != on for x in given):
            raise RuntimeError(f"Expected a '{'cuda' if on else 'cpu'}' device type for generator ({func})")
        return func(*args, **kwargs)


class FakeCuda(TorchDispatchMode):
    """Does and counts every operation; see the module."""

    current, inherits = None, False

    def __init__(self):
        super().__init__()
        self.reset()

    def reset(self):
        self.count, self.kernels, self.waits, self.bytes = (collections.Counter() for _ in range(4))

    def where(self):
        """The line of n2n that asked, like ``nets/bands.py:22``."""
        names = ((frame.filename, frame.lineno) for frame in reversed(traceback.extract_stack(limit=60)))
        mine = ((name, line) for name, line in names if "/n2n/" in name and "site-packages" not in name)
        name, line = next(mine, ("/n2n/?", 0))
        return f"{name.rsplit('/n2n/', 1)[1]}:{line}"

    def waited(self, kind, also=None, size=0):
        self.count["waits"] += 1
        if also:
            self.count[also] += 1
            self.bytes[also] += size
        self.waits[kind, self.where()] += 1

    def move(self, tensor, device, non_blocking):
        there = torch.device(device).type == "cuda"
        if isinstance(tensor, Dev) == there:
            return tensor
        kind = "h2d" if there else "d2h"
        if non_blocking:
            self.count[kind] += 1
        else:
            self.waited(kind, kind, tensor.numel() * tensor.element_size())
        if there:
            return Dev(tensor.detach().clone())
        assert not (tensor.requires_grad and torch.is_grad_enabled()), "moved with its gradient"
        return tensor.there.detach().clone()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {})

    def run(self, func, args, kwargs):
        name = func.overloadpacket.__name__
        flat, spec = pytree.tree_flatten((args, kwargs))
        devs = [x for x in flat if isinstance(x, Dev)]
        plains = [x for x in flat if isinstance(x, torch.Tensor) and not isinstance(x, Dev)]
        device = kwargs.get("device")
        on = bool(devs) or (self.inherits and not plains)
        # Beneath, tensors on the device claim to be in main memory: that alone moves nothing.
        if device is not None and torch.device(device).type == "cuda":
            on = True
            if name == "_to_copy" and plains and not devs:
                self.waited("h2d new", "h2d")
        if name == "copy_" and isinstance(args[0], Dev) != isinstance(args[1], Dev):
            kind = "h2d" if isinstance(args[0], Dev) else "d2h"
            self.waited(f"{kind} copy_", kind)
            on = isinstance(args[0], Dev)
        elif devs and any(p.dim() > 0 for p in plains):
            if name not in INDEXING or not isinstance(args[0], Dev):
                raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu ({func})")
            self.waited("index on the cpu", "h2d")
        if devs and name == "_local_scalar_dense":
            self.waited("item")
        if devs and name in DYNAMIC:
            self.waited(name)
        if devs and name in INDEXING and any(i is not None and i.dtype == torch.bool for i in args[1]):
            self.waited("index by a mask")
        if on and name not in FREE:
            self.count["kernels"] += 1
            self.kernels[name] += 1
        inner = [x.there if isinstance(x, Dev) else x for x in flat]
        inner_args, inner_kwargs = pytree.tree_unflatten(inner, spec)
        if device is not None:
            inner_kwargs["device"] = CPU
        out = func(*inner_args, **inner_kwargs)
        if not on:
            return out
        wrapped = pytree.tree_map_only(torch.Tensor, _dev, out)
        return return_and_correct_aliasing(func, args, kwargs, wrapped) if devs else wrapped


@contextlib.contextmanager
def fake_cuda(autocast=True, free=100e9, generation=9):
    """Everything inside believes in a GPU; autocast is the CPU's, whose list of operations is nearly the same.

    Parameters
    ----------
    autocast : bool
        False: half precision is asked for, but not done, so that values are the CPU's bit for bit.
    free : float
        Bytes of memory.
    generation : int
        Major number of the compute capability: from 8 on bfloat16 is computed, before it is emulated.
    """
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)

    def cast(device_type, dtype=None, enabled=True, **options):
        return _Autocast("cpu", dtype, enabled=enabled and autocast, **options)

    def save(state, *args, **kwargs):
        there = pytree.tree_map_only(Dev, lambda t: fake.move(t.detach(), CPU, False), state)
        return plain_save(there, *args, **kwargs)

    def load(path, map_location=None, **kwargs):
        state = plain_load(path, map_location="cpu", **kwargs)
        there = map_location is not None and torch.device(map_location).type == "cuda"
        return pytree.tree_map_only(torch.Tensor, lambda t: fake.move(t, CUDA, False), state) if there else state

    plain_save, plain_load = torch.save, torch.load
    fake = FakeCuda()
    patches = [
        mock.patch.multiple(
            torch.cuda,
            is_available=lambda: True,
            init=lambda: None,
            _lazy_init=lambda: None,
            device_count=lambda: 1,
            current_device=lambda: 0,
            get_device_name=lambda device=None: "Fake GPU",
            get_device_properties=lambda device=None: SimpleNamespace(major=generation, minor=0),
            mem_get_info=lambda device=None: (int(free), int(free)),
            empty_cache=lambda: None,
            synchronize=lambda *device: None,
        ),
        mock.patch.multiple(torch, Generator=AnyGenerator, autocast=cast, save=save, load=load),
        mock.patch.object(torch.optim.Optimizer, "_accelerator_graph_capture_health_check", lambda self: None),
        mock.patch.object(_foreach_utils, "_foreach_supported_types", [torch.Tensor, torch.nn.Parameter, Dev]),
    ]
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        FakeCuda.current = fake
        try:
            with fake, Moves():
                yield fake
        finally:
            FakeCuda.current = None
            torch._C._set_only_lift_cpu_tensors(before)
