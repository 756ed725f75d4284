#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace headrace::embed {

/// A fitted model as bytes: a line of JSON, counts, and a checksum over both.
struct SealedState {
  nlohmann::json header;  // with "kind", "algorithm" and "unicode"
  std::string_view counts;
};

/// 16 hexadecimal digits of XXH3-64.
std::string checksum(std::string_view bytes);

/// `header` gets the three fields that open_state() checks.
std::string seal_state(const char* kind, int algorithm, nlohmann::json header, std::string_view counts);
/// Throws ConfigurationError for bytes of another kind or version, CheckpointCorruptionError for damaged
/// ones. The result looks into `bytes`.
SealedState open_state(const char* kind, int algorithm, std::string_view bytes);

/// Little-endian groups of seven bits.
void append_varint(std::string& out, uint64_t value);
/// Reads one at `position` and steps over it. Throws CheckpointCorruptionError at the end.
uint64_t read_varint(std::string_view bytes, size_t& position);

}  // namespace headrace::embed
