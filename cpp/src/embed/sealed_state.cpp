#include "sealed_state.h"

#include <xxhash.h>

#include <cstdio>
#include <utility>

#include "headrace/base/error.h"
#include "headrace/embed/words.h"

namespace headrace::embed {
namespace {

using nlohmann::json;

constexpr size_t kChecksumLength = 16;

bool is_whole(std::string_view bytes, size_t line_end) {
  if (line_end == std::string_view::npos || bytes.size() < line_end + 1 + kChecksumLength) return false;
  const std::string_view sealed = bytes.substr(0, bytes.size() - kChecksumLength);
  return checksum(sealed) == bytes.substr(sealed.size());
}

}  // namespace

std::string checksum(std::string_view bytes) {
  char text[kChecksumLength + 1];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text;
}

std::string seal_state(const char* kind, int algorithm, json header, std::string_view counts) {
  header["kind"] = kind;
  header["algorithm"] = algorithm;
  header["unicode"] = word_tables_version();
  std::string bytes = header.dump();
  bytes.append("\n").append(counts);
  return bytes.append(checksum(bytes));
}

SealedState open_state(const char* kind, int algorithm, std::string_view bytes) {
  const size_t line_end = bytes.find('\n');
  json header = json::parse(bytes.substr(0, line_end), nullptr, /*allow_exceptions=*/false);
  if (!header.is_object() || header.value("kind", json()) != kind) {
    throw ConfigurationError(std::string("these bytes are not the state of a ") + kind);
  }
  if (header.value("algorithm", json()) != algorithm ||
      header.value("unicode", json()) != word_tables_version()) {
    throw ConfigurationError(
        "this state was made by another version (algorithm or Unicode tables): fit again");
  }
  if (!is_whole(bytes, line_end))
    throw CheckpointCorruptionError("this state is damaged (checksum): fit again");
  const size_t begin = line_end + 1;
  return {std::move(header), bytes.substr(begin, bytes.size() - begin - kChecksumLength)};
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

uint64_t read_varint(std::string_view bytes, size_t& position) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && position < bytes.size(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[position++]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  throw CheckpointCorruptionError("this state ends in the middle: fit again");
}

}  // namespace headrace::embed
