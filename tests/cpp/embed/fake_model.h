#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "headrace/embed/batch_model.h"

namespace headrace::embed {

/// A model whose row says which text it is for: (length, first byte, 1). One token a byte. It keeps its
/// calls, and fails for batches that `fails` names.
class FakeModel : public BatchModel {
 public:
  ModelRows embed(std::span<const BatchText> texts) override {
    {
      const std::lock_guard lock(mutex_);
      calls_.emplace_back();
      for (const BatchText& text : texts) calls_.back().emplace_back(text.text);
    }
    running_high_ = std::max(running_high_.load(), ++running_);
    if (before_answer) before_answer();
    --running_;
    if (fails && fails(texts)) throw std::runtime_error("poison");
    auto rows = std::make_shared<Matrix>(static_cast<int64_t>(texts.size()), 3);
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto row = rows->row(static_cast<int64_t>(i));
      row[0] = static_cast<float>(texts[i].text.size());
      row[1] = texts[i].text.empty() ? 0 : static_cast<float>(texts[i].text.front());
      row[2] = 1;
    }
    if (spoil) return spoil(*rows);
    return {*rows, rows};
  }
  void count_tokens(std::span<const BatchText> texts, int64_t* counts) override {
    for (const BatchText& text : texts) *counts++ = static_cast<int64_t>(text.text.size());
  }
  int64_t max_text_tokens() const override { return limit; }

  std::vector<std::vector<std::string>> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  int64_t running_high() const { return running_high_; }

  std::function<bool(std::span<const BatchText>)> fails;
  std::function<ModelRows(const Matrix&)> spoil;
  std::function<void()> before_answer;
  int64_t limit = 0;

 private:
  mutable std::mutex mutex_;
  std::vector<std::vector<std::string>> calls_;
  std::atomic<int64_t> running_{0};
  std::atomic<int64_t> running_high_{0};
};

/// Fails for every batch that holds one of these texts.
inline auto fails_for(std::vector<std::string> poison) {
  return [poison](std::span<const BatchText> texts) {
    return std::any_of(texts.begin(), texts.end(), [&](const BatchText& text) {
      return std::find(poison.begin(), poison.end(), text.text) != poison.end();
    });
  };
}

}  // namespace headrace::embed
