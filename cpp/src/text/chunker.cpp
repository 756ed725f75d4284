#include "headrace/text/chunker.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "headrace/base/error.h"
#include "utf8.h"

namespace headrace::text {

namespace {

constexpr int64_t kWidestCharacter = 4;  // bytes of UTF-8

// Texts are handed out in groups of about this many code points: large enough that the counter costs nothing.
constexpr int64_t kGroupSize = 1 << 18;

std::vector<size_t> group_starts(const std::vector<TextView>& texts) {
  std::vector<size_t> starts;
  int64_t held = kGroupSize;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (held >= kGroupSize) {
      starts.push_back(i);
      held = 0;
    }
    held += texts[i].size() + 1;
  }
  starts.push_back(texts.size());
  return starts;
}

class Batch {
 public:
  Batch(const Chunker& chunker, const std::vector<TextView>& texts)
      : chunker_(chunker), texts_(texts), starts_(group_starts(texts)), results_(texts.size()) {}

  int groups() const { return static_cast<int>(starts_.size()) - 1; }

  // One thread's share: groups until none is left.
  void work() {
    try {
      for (size_t group = next_++; group + 1 < starts_.size(); group = next_++) {
        auto list = std::make_shared<ChunkList>();
        for (size_t i = starts_[group]; i < starts_[group + 1]; ++i) {
          const auto first = static_cast<int64_t>(list->spans.size());
          chunker_.chunk(texts_[i], *list);
          results_[i] = {list, first, static_cast<int64_t>(list->spans.size()) - first};
        }
      }
    } catch (...) {
      next_ = starts_.size();
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  std::vector<DocumentChunks> take() {
    if (error_) std::rethrow_exception(error_);
    return std::move(results_);
  }

 private:
  const Chunker& chunker_;
  const std::vector<TextView>& texts_;
  std::vector<size_t> starts_;
  std::vector<DocumentChunks> results_;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr error_;  // guarded by mutex_
};

}  // namespace

ChunkOptions checked(ChunkOptions options) {
  const auto fail = [](const std::string& message) { throw ConfigurationError(message); };
  if (options.size < 1) fail("size must be at least 1, not " + std::to_string(options.size));
  if (options.unit == Unit::kBytes && options.size < kWidestCharacter) {
    fail("size must be at least 4 bytes, not " + std::to_string(options.size) +
         ": one character can take so many");
  }
  if (options.overlap < 0) fail("overlap must be at least 0, not " + std::to_string(options.overlap));
  if (options.overlap >= options.size) {
    fail("overlap must be smaller than size, not " + std::to_string(options.overlap) + " of " +
         std::to_string(options.size) + ": otherwise a chunk would hold nothing new");
  }
  if (options.min_size == -1) options.min_size = options.size / 4;
  if (options.min_size < 0 || options.min_size > options.size) {
    fail("min_size must be between 0 and size, not " + std::to_string(options.min_size));
  }
  return options;
}

ChunkList Chunker::chunk(std::string_view utf8) const {
  const DecodedText text(utf8);
  ChunkList out;
  chunk(text.view(), out);
  return out;
}

std::vector<DocumentChunks> chunk_many(const Chunker& chunker, const std::vector<TextView>& texts,
                                       int threads) {
  if (threads < 0) throw ConfigurationError("threads must be at least 0, not " + std::to_string(threads));
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  Batch batch(chunker, texts);
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < std::min(threads, batch.groups()); ++i)
      others.emplace_back([&batch] { batch.work(); });
    batch.work();
  }
  return batch.take();
}

}  // namespace headrace::text
