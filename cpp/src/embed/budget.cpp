#include "headrace/embed/budget.h"

#include <algorithm>

namespace headrace::embed {
namespace {

constexpr size_t kTrials = 3;
constexpr double kGain = 0.97;  // a bigger or smaller budget must cost at most this share to be preferred
constexpr int64_t kSmallest = 64;
constexpr int64_t kLargest = 65536;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

BatchBudget::BatchBudget(int64_t max_tokens) : known_(max_tokens > 0) {
  if (known_) {
    best_ = max_tokens;
  } else {
    trials_ = {{kFirst / 2, {}}, {kFirst, {}}, {kFirst * 2, {}}};
  }
}

bool BatchBudget::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

int64_t BatchBudget::best() const {
  const std::lock_guard lock(mutex_);
  return best_;
}

int64_t BatchBudget::candidate() const {
  const std::lock_guard lock(mutex_);
  if (known_) return best_;
  return std::min_element(trials_.begin(), trials_.end(),
                          [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); })
      ->first;
}

void BatchBudget::record(int64_t budget, int64_t tokens, double seconds) {
  const std::lock_guard lock(mutex_);
  const auto trial = trials_.find(budget);
  if (known_ || trial == trials_.end() || tokens <= 0) return;
  trial->second.push_back(seconds / static_cast<double>(tokens));
  decide();
}

void BatchBudget::decide() {
  if (std::any_of(trials_.begin(), trials_.end(), [](const auto& t) { return t.second.size() < kTrials; }))
    return;
  double least = median(trials_.begin()->second);
  best_ = trials_.begin()->first;
  for (const auto& [budget, costs] : trials_) {
    const double cost = median(costs);
    if (cost >= least * kGain) continue;
    least = cost;
    best_ = budget;
  }
  if (best_ == trials_.rbegin()->first && best_ < kLargest) {
    trials_[best_ * 2] = {};
  } else if (best_ == trials_.begin()->first && best_ > kSmallest) {
    trials_[best_ / 2] = {};
  } else {
    known_ = true;
  }
}

}  // namespace headrace::embed
