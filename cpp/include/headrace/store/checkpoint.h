#pragma once

#include <cstdint>

#include "headrace/base/value.h"

namespace headrace {

using ItemId = std::int64_t;

/// The durable record of one finished unit: one item through one stage.
struct Checkpoint {
  ItemId item = 0;
  std::uint64_t input = 0;  ///< fingerprint of code, configuration and input: the unit's identity
  Value value;              ///< what the stage returned
  std::int64_t run = 0;     ///< number of the run that recorded it
  std::int64_t micros = 0;  ///< time the unit took

  /// The checksum stored beside the record. It folds the key in: a flip in the key dictionary is found too.
  std::uint64_t seal(std::uint64_t key_hash) const noexcept {
    const auto about = mix(mix(static_cast<std::uint64_t>(item), input),
                           mix(static_cast<std::uint64_t>(run), static_cast<std::uint64_t>(micros)));
    return mix(mix(value.fingerprint(), key_hash), about);
  }
};

}  // namespace headrace
