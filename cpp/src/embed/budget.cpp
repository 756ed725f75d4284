#include "headrace/embed/budget.h"

#include <algorithm>

namespace headrace::embed {
namespace {

constexpr size_t kTrials = 3;
constexpr double kGain = 0.97;  // another budget must cost at most this share to be preferred
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

// Budgets take turns on each third, so that they meet texts of like length and the same weather.
BatchBudget::Trial BatchBudget::next() const {
  const std::lock_guard lock(mutex_);
  Trial next{best_, 0};
  size_t fewest = kTrials;
  for (int64_t third = 0; third < kThirds; ++third) {
    for (const auto& [budget, costs] : trials_) {
      const size_t done = costs[static_cast<size_t>(third)].size();
      if (done >= fewest) continue;
      fewest = done;
      next = {budget, third};
    }
  }
  return next;
}

void BatchBudget::record(const Trial& trial, int64_t tokens, double seconds) {
  const std::lock_guard lock(mutex_);
  const auto found = trials_.find(trial.budget);
  if (known_ || found == trials_.end() || tokens <= 0) return;
  found->second[static_cast<size_t>(trial.third)].push_back(seconds / static_cast<double>(tokens));
  decide();
}

bool BatchBudget::gains(int64_t budget) const {
  const auto cost = [&](int64_t of) {
    double sum = 0;  // each third holds as many tokens
    for (const std::vector<double>& costs : trials_.at(of)) sum += median(costs);
    return sum;
  };
  return trials_.contains(budget) && cost(budget) < cost(best_) * kGain;
}

void BatchBudget::decide() {
  for (const auto& [budget, costs] : trials_) {
    if (std::any_of(costs.begin(), costs.end(), [](const auto& c) { return c.size() < kTrials; })) return;
  }
  while (gains(best_ * 2)) best_ *= 2;
  while (gains(best_ / 2)) best_ /= 2;
  if (best_ == trials_.rbegin()->first && best_ < kLargest) {
    trials_[best_ * 2] = {};
  } else if (best_ == trials_.begin()->first && best_ > kSmallest) {
    trials_[best_ / 2] = {};
  } else {
    known_ = true;
  }
}

}  // namespace headrace::embed
