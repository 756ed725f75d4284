#pragma once

#include <atomic>
#include <memory>

namespace headrace {

/// A flag that many threads may watch; copies share it. Setting it is final.
class CancelToken {
 public:
  void cancel() const noexcept { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace headrace
