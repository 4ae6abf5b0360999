"""Every file of an output folder."""

from __future__ import annotations

from manifests.store import LOCK, TEMP, Store
from manifests.tombstones import FILE


def walk(store: Store) -> list[str]:
    """Names of all files below the store's root, sorted, without its lock and the tombstones themselves."""
    store.fs.invalidate_cache(store.root)
    if not store.fs.isdir(store.root):
        return []
    names = (path.removeprefix(f"{store.root}/") for path in store.fs.find(store.root))
    return sorted(name for name in names if name not in (LOCK, FILE) and not name.startswith(f"{TEMP}/"))
