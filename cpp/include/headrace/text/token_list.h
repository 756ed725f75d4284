#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

namespace headrace::text {

/// A growing array whose new elements are not initialised. Owns them; moves, does not copy.
template <class Value>
class Buffer {
 public:
  int64_t size() const noexcept { return size_; }
  const Value* data() const noexcept { return data_.get(); }
  Value operator[](int64_t index) const { return data_[static_cast<size_t>(index)]; }
  void clear() noexcept { size_ = 0; }

  /// Room for `count` more elements; they count once add() has said so.
  Value* room(int64_t count) {
    if (size_ + count > capacity_) grow(size_ + count);
    return data_.get() + size_;
  }
  void add(int64_t count) noexcept { size_ += count; }
  void push(Value value) {
    *room(1) = value;
    ++size_;
  }

 private:
  void grow(int64_t needed) {
    const int64_t capacity = std::max(needed, capacity_ + capacity_ / 2 + 64);
    auto data = std::make_unique_for_overwrite<Value[]>(static_cast<size_t>(capacity));
    if (size_ > 0) std::memcpy(data.get(), data_.get(), static_cast<size_t>(size_) * sizeof(Value));
    data_ = std::move(data);
    capacity_ = capacity;
  }

  std::unique_ptr<Value[]> data_;
  int64_t size_ = 0;
  int64_t capacity_ = 0;
};

/// Code points of the text that a token stands for.
struct TokenSpan {
  int32_t start;
  int32_t end;
};

/// The tokens of a text, without those that the model adds around it.
struct TokenList {
  Buffer<int32_t> ids;
  Buffer<TokenSpan> spans;
  /// 1 where the token begins a word: what stands before such a token has no influence on it, nor on those
  /// after it.
  Buffer<uint8_t> begins;

  int64_t size() const noexcept { return ids.size(); }
  void clear() noexcept {
    ids.clear();
    spans.clear();
    begins.clear();
  }
};

}  // namespace headrace::text
