#pragma once

#include <cstdint>
#include <vector>

namespace headrace::text {

/// What a tokenizer makes of each code point: 32 bits that the tokenizer defines. Blocks that hold nothing
/// but the default are one.
class CharTable {
 public:
  explicit CharTable(uint32_t fallback)
      : index_(0x110000 >> kBits, 0), data_(kBlock, fallback), fallback_(fallback) {}

  uint32_t operator[](uint32_t code) const {
    if (code > 0x10FFFF) return fallback_;
    return data_[(uint32_t{index_[code >> kBits]} << kBits) | (code & (kBlock - 1))];
  }

  void set(uint32_t code, uint32_t value) {
    uint16_t& block = index_[code >> kBits];
    if (block == 0) {
      block = static_cast<uint16_t>(data_.size() >> kBits);
      data_.resize(data_.size() + kBlock, fallback_);
    }
    data_[(uint32_t{block} << kBits) | (code & (kBlock - 1))] = value;
  }

 private:
  static constexpr int kBits = 7;
  static constexpr uint32_t kBlock = 1u << kBits;

  std::vector<uint16_t> index_;
  std::vector<uint32_t> data_;
  uint32_t fallback_;
};

}  // namespace headrace::text
