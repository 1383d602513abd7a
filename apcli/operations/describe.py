"""Describe: what a checkpoint says of itself, beside what is counted in it."""

from typing import Any

from apcli.checkpoints import Checkpoint
from apcli.layers import is_prunable, layer_name

Description = dict[str, Any]


def describe(checkpoint: Checkpoint) -> Description:
    """The file's size, lineage and tensors, with the zeros counted now (not taken from the lineage)."""
    promises = (checkpoint.lineage or {}).get("pruned", {})
    tensors = []
    for name, entry in checkpoint.entries.items():
        prunable = entry.is_float and is_prunable(name, len(entry.shape))
        tensors.append(
            {
                "name": name,
                "dtype": entry.dtype,
                "shape": list(entry.shape),
                "size": entry.size,
                "layer": layer_name(name) if prunable else None,
                "zeros": entry.zeros if entry.is_float else None,
                "promised_zeros": promises.get(name, {}).get("zeros"),
            }
        )
    numbers = sum(t["size"] for t in tensors)
    zeros = sum(t["zeros"] or 0 for t in tensors)
    layers = [t for t in tensors if t["layer"] is not None]
    prunable_size = sum(t["size"] for t in layers)
    return {
        "kind": "checkpoint",
        "version": 1,
        "path": checkpoint.label,
        "sha256": checkpoint.sha256,
        "bytes": checkpoint.path.stat().st_size,
        "numbers": numbers,
        "prunable": prunable_size,
        "sparsity": sum(t["zeros"] for t in layers) / prunable_size if prunable_size else None,
        "compression": numbers / (numbers - zeros) if zeros < numbers else None,
        "lineage": checkpoint.lineage,
        "tensors": tensors,
    }


def to_text(found: Description) -> str:
    """The description for a person: facts, stages, metrics, then a line per prunable layer."""
    lines = [
        found["path"],
        f"  size         {found['bytes']:,} bytes, {len(found['tensors'])} tensors, {found['numbers']:,} numbers",
        f"  sha256       {found['sha256']}",
        *_lineage_lines(found["lineage"]),
    ]
    layers = [tensor for tensor in found["tensors"] if tensor["layer"] is not None]
    if found["sparsity"] is not None:
        compression = "-" if found["compression"] is None else f"{found['compression']:.4g}x"
        lines.append(
            f"  sparsity     {found['sparsity']:.6g} of {found['prunable']:,} prunable weights, "
            f"compression {compression} over all numbers (the file is dense: zeros take their place)"
        )
    width = max([len("layer"), *(len(layer["layer"]) for layer in layers)])
    lines += ["", f"  {'layer':{width}}  {'dtype':5}  {'shape':>16}  {'weights':>12}  {'zeros':>12}  {'sparsity':>8}"]
    for layer in layers:
        shape = "x".join(map(str, layer["shape"]))
        lines.append(
            f"  {layer['layer']:{width}}  {layer['dtype']:5}  {shape:>16}  {layer['size']:>12,}  {layer['zeros']:>12,}"
            f"  {layer['zeros'] / max(1, layer['size']):>8.4f}"
        )
    others = [tensor for tensor in found["tensors"] if tensor["layer"] is None]
    lines.append(f"  and {len(others)} tensors that are not prunable, {sum(t['size'] for t in others):,} numbers")
    return "\n".join(lines)


def _lineage_lines(lineage: dict[str, Any] | None) -> list[str]:
    if lineage is None:
        return ["  lineage      none: a file that another program made"]
    lines = []
    if lineage["model"]:
        model = lineage["model"]
        size = "x".join(map(str, model.get("input_size", [])))
        origin = f"{model.get('name')} ({model.get('source')})"
        lines.append(f"  model        {origin}, {model.get('num_classes')} classes, input {size}")
    if lineage["data"]:
        lines.append(f"  data         {lineage['data'].get('name')}, seed {lineage['seed']}")
    for settings in lineage["settings"]:
        said = {key: value for key, value in settings.items() if key != "stage" and value not in (None, [])}
        lines.append(f"  {settings.get('stage', '?'):12} {', '.join(f'{key} {value}' for key, value in said.items())}")
    for split, found in lineage["metrics"].items():
        if found:
            lines.append(f"  {split + ' split':12} accuracy {found['accuracy']:.2f} %, loss {found['loss']:.5f} nats")
    for link in ("parent", "dense"):
        if lineage[link]:
            path, sha256 = lineage[link].get("path") or "unnamed", lineage[link]["sha256"]
            lines.append(f"  {link:12} {path} (sha256 {sha256[:12]}...)")
    return lines
