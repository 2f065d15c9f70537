"""The messages in event files. Parts of a value are bytes here, and are parsed where they are needed: a broken part
costs that value, and nothing is decoded for nothing."""

from __future__ import annotations

from functools import cache
from typing import Any

from wbmodel_files.descriptors import messages

__all__ = ["message"]

_TABLE = {
    "Event": "1:wall_time:double 2:step:int64 3:file_version:bytes 5:summary:bytes",
    "Summary": "1:value:bytes*",
    "Value": "1:tag:bytes 2:simple_value:float 3:obsolete_histogram:bytes 4:image:bytes 5:histo:bytes 6:audio:bytes "
    "8:tensor:bytes 9:metadata:bytes",
    # The two above in one, for small records.
    "Whole": "1:wall_time:double 2:step:int64 3:file_version:bytes 5:summary:Values",
    "Values": "1:value:Value*",
    "Metadata": "1:plugin_data:PluginData 2:display_name:bytes 3:description:bytes 4:data_class:int32",
    "PluginData": "1:plugin_name:bytes 2:content:bytes",
    "Image": "1:height:int32 2:width:int32 3:colorspace:int32 4:encoded:bytes",
    "Histo": "1:min:double 2:max:double 3:num:double 4:sum:double 5:sum_squares:double 6:bucket_limit:double* "
    "7:bucket:double*",
    "Audio": "1:sample_rate:float 2:num_channels:int64 3:length_frames:int64 4:encoded:bytes 5:content_type:bytes",
    "Tensor": "1:dtype:int32 2:shape:Shape 4:tensor_content:bytes 5:float_val:float* 6:double_val:double* "
    "7:int_val:int32* 8:string_val:bytes* 10:int64_val:int64* 11:bool_val:bool* 13:half_val:int32* "
    "16:uint32_val:uint32* 17:uint64_val:uint64*",
    "Shape": "2:dim:Dim* 3:unknown_rank:bool",
    "Dim": "1:size:int64",
    "HParams": "1:version:int32 2:experiment:bytes 3:session_start:SessionStart 4:session_end:SessionEnd",
    "SessionStart": "1:hparams:HParam* 4:group_name:bytes 5:start_time_secs:double",
    "HParam": "1:key:bytes 2:value:Variant",
    "SessionEnd": "1:status:int32 2:end_time_secs:double",
    # google.protobuf.Value
    "Variant": "1:null:int32 2:number:double 3:text:bytes 4:bool:bool 5:struct:Struct 6:list:ListOf",
    "Struct": "1:fields:HParam*",
    "ListOf": "1:values:Variant*",
}


@cache
def message(name: str) -> Any:
    """The class of a message."""
    return _classes()[name]


@cache
def _classes() -> dict[str, Any]:
    return messages("tensorboard", _TABLE)
