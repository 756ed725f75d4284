#include "parallel.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "headrace/base/error.h"
#include "signals.h"

namespace headrace::collect {

namespace {

constexpr int64_t kMostThreads = 4;
constexpr int64_t kWorkersPerThread = 4;   // fewer are served by one thread
constexpr int64_t kTargetsPerThread = 16;  // fewer are done before a further thread has begun

int64_t threads_for(int64_t targets, int64_t workers) {
  static const int64_t cores = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  const int64_t useful = std::min(workers / kWorkersPerThread, targets / kTargetsPerThread);
  return std::clamp<int64_t>(useful, 1, std::min(cores, kMostThreads));
}

/// One sink for several dispatchers: each has a Place, which knows its waker.
class SharedSink {
 public:
  explicit SharedSink(OutcomeSink& sink, int64_t places) : sink_(sink), wakers_(places) {
    sink_.set_waker([this] { wake(); });
  }
  ~SharedSink() { sink_.set_waker({}); }

  void put(Outcome outcome) {
    const std::lock_guard lock(mutex_);
    sink_.put(std::move(outcome));
  }
  bool has_room() const { return sink_.has_room(); }
  void set_waker(int64_t place, const std::function<void()>& waker) {
    const std::lock_guard lock(wakers_mutex_);
    wakers_[place] = waker;
  }
  void wake() {
    const std::lock_guard lock(wakers_mutex_);
    for (const auto& waker : wakers_) {
      if (waker) waker();
    }
  }

 private:
  OutcomeSink& sink_;
  std::mutex mutex_;
  std::mutex wakers_mutex_;
  std::vector<std::function<void()>> wakers_;
};

class Place : public OutcomeSink {
 public:
  Place(SharedSink& shared, int64_t number) : shared_(shared), number_(number) {}
  void put(Outcome outcome) override { shared_.put(std::move(outcome)); }
  bool has_room() const override { return shared_.has_room(); }
  void set_waker(const std::function<void()>& waker) override { shared_.set_waker(number_, waker); }

 private:
  SharedSink& shared_;
  const int64_t number_;
};

/// The dispatchers of one collection and what they share.
class Crew {
 public:
  Crew(const MakeWorkload& make, int64_t targets, int64_t threads, const Limits& limits, OutcomeSink& sink,
       const CancelToken& cancel)
      : targets_(targets), sink_(sink, threads), cancel_(cancel), errors_(threads) {
    for (int64_t number = 0; number < threads; ++number) {
      Limits share = limits;
      share.workers = limits.workers / threads + (number < limits.workers % threads ? 1 : 0);
      places_.push_back(std::make_unique<Place>(sink_, number));
      workloads_.push_back(make());
      limits_.push_back(share);
    }
  }

  void run() {
    const auto first = make_dispatcher(0);
    std::vector<std::thread> helpers = start_helpers();
    work(*first, 0);
    for (std::thread& helper : helpers) helper.join();
    for (const auto& error : errors_) {
      if (error) std::rethrow_exception(error);
    }
  }

 private:
  /// Fewer than wanted where the system has no thread left: those that are there do all the work.
  std::vector<std::thread> start_helpers() {
    std::vector<std::thread> helpers;
    const BlockSignals blocked;
    try {
      for (size_t number = 1; number < places_.size(); ++number) {
        helpers.emplace_back([this, number] { help(number); });
      }
    } catch (const std::system_error&) {
      return helpers;
    }
    return helpers;
  }

  std::unique_ptr<Dispatcher> make_dispatcher(size_t number) {
    return std::make_unique<Dispatcher>(*workloads_[number], targets_, limits_[number], *places_[number],
                                        cancel_);
  }

  /// Leaves the targets to the others where the system has no descriptors left for its dispatcher.
  void help(size_t number) {
    std::unique_ptr<Dispatcher> dispatcher;
    try {
      dispatcher = make_dispatcher(number);
    } catch (const ResourceError&) {
      return;
    } catch (...) {
      return fail(number);
    }
    work(*dispatcher, number);
  }

  void work(Dispatcher& dispatcher, size_t number) {
    try {
      dispatcher.run();
    } catch (...) {
      fail(number);
    }
  }

  /// Called in a handler: what it handles ends the collection.
  void fail(size_t number) {
    errors_[number] = std::current_exception();
    targets_.abandon();
    sink_.wake();
  }

  Targets targets_;
  SharedSink sink_;
  CancelToken cancel_;
  std::vector<std::unique_ptr<Place>> places_;
  std::vector<std::unique_ptr<Workload>> workloads_;
  std::vector<Limits> limits_;
  std::vector<std::exception_ptr> errors_;
};

}  // namespace

void collect_in_parallel(const MakeWorkload& make, int64_t targets, const Limits& limits, OutcomeSink& sink,
                         const CancelToken& cancel) {
  Crew(make, targets, threads_for(targets, limits.workers), limits, sink, cancel).run();
}

}  // namespace headrace::collect
