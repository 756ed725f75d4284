#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace {

/// XXH3-64: fingerprints and checksums against accidents (not against an adversary: that is sha256).
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0) noexcept;

/// Mixes two hashes; order matters.
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t x = (a ^ 0x9e3779b97f4a7c15ULL) + b * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 31)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 29);
}

/// 128-bit XXH3: identifies a key in an index that doesn't keep the key itself.
struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};
Hash128 hash128(std::string_view bytes) noexcept;

/// SHA-256, 32 raw bytes. Chains events and names blobs.
std::string sha256(std::string_view bytes);
std::string to_hex(std::string_view bytes);

}  // namespace headrace
