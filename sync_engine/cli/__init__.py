"""The commands of ``python -m sync_engine``: one file each."""
