#pragma once

#include <string>

#include "headrace/text/chunker.h"

namespace headrace::text {

/// The first guarantee of Chunker that these chunks of a text break, in words; empty: none. Sizes in tokens
/// are counted again, each chunk by itself.
std::string broken_guarantee(TextView text, const ChunkList& list, const ChunkOptions& options);

}  // namespace headrace::text
