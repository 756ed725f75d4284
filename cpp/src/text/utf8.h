#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "headrace/text/text_view.h"

namespace headrace::text {

/// UTF-8 decoded into the narrowest code unit that holds it all. Owns the code points that view() lends.
class DecodedText {
 public:
  /// Throws ConfigurationError that names the offset of the first byte that is not UTF-8.
  explicit DecodedText(std::string_view utf8);

  TextView view() const;

 private:
  std::vector<uint8_t> latin1_;
  std::vector<uint16_t> ucs2_;
  std::vector<uint32_t> ucs4_;
};

}  // namespace headrace::text
