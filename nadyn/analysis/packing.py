"""Numbers inside a page: arrays as one compressed block that the page's own script unpacks."""

import base64
import gzip
import json
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

# Steps between whole numbers of 16 bits, on both sides of the middle.
_HALF_RANGE = 32_000


def block(name: str, content: bytes) -> str:
    """Return bytes as an element of a page: gzip in base64, the same for the same bytes.

    Args:
        name: Its `id`.
        content: What `unpack(name)` of page.js gives.
    """
    packed = base64.b64encode(gzip.compress(content, 6, mtime=0)).decode("ascii")
    return f'<script type="application/octet-stream" id="{name}">{packed}</script>'


def facts(name: str, values: Mapping[str, object]) -> str:
    """Return values as JSON inside a page; nothing in it can end the element or begin another one."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>'


def joined(arrays: Mapping[str, np.ndarray]) -> tuple[bytes, list[dict[str, object]]]:
    """Return arrays as one row of bytes, little-endian, each from a multiple of four on, and where each is.

    The second is a list of {name, type, offset, length}, with the types of JavaScript.
    """
    types = {"uint8": "Uint8Array", "int16": "Int16Array", "uint32": "Uint32Array", "float32": "Float32Array"}
    content, places = b"", []
    for name, array in arrays.items():
        content += b"\0" * (-len(content) % 4)
        kind = types[array.dtype.name]
        places.append({"name": name, "type": kind, "offset": len(content), "length": int(array.size)})
        content += np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return content, places


def differences(
    values: Float[np.ndarray, "shown value"], first: Bool[np.ndarray, "shown"], *, finest: float
) -> tuple[np.ndarray, dict[str, float]]:
    """Return values as bytes that compress well, and what turns them back: value = middle + step * number.

    The numbers are whole ones of 16 bits; a row holds the change since the row before, or itself where it is
    the first of its trajectory. All low bytes come before all high ones.

    Args:
        values: A row a frame; what is not finite becomes the middle.
        first: Whether a row is the first of its trajectory.
        finest: Step that is fine enough; it is coarser only where the values span more than 64,000 of them.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    middle = 0.5 * (low + high)
    step = max(finest, 0.5 * (high - low) / _HALF_RANGE)
    numbers = np.rint((np.nan_to_num(values, nan=middle) - middle) / step).astype(np.int16)
    changes = numbers.copy()
    changes[1:] -= numbers[:-1]
    changes[first] = numbers[first]
    octets = changes.astype("<i2").reshape(-1).view(np.uint8).reshape(-1, 2)
    return np.concatenate([octets[:, 0], octets[:, 1]]), {"middle": middle, "step": step}
