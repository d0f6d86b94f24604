"""Videos restored frame by frame, with all else in them kept."""

from ccnet.extras import require

require("video", "Restoring videos")

from ccnet.video.restore import Restored, restore_clip, restore_video

__all__ = ["Restored", "restore_clip", "restore_video"]
