"""Many files, pictures and videos, restored in one run that can be stopped and gone on with."""
