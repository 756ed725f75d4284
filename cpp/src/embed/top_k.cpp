#include "headrace/embed/top_k.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <span>

#include "headrace/base/error.h"
#include "parallel.h"
#include "score_kernel.h"

namespace headrace::embed {
namespace {

constexpr int64_t kRowsAtOnce = 512;  // what a thread takes at a time
constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Candidate {
  float score = kNever;
  int64_t index = -1;
};

// A total order, so that the result depends on neither threads nor blocks.
bool better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.index < b.index;
}

/// The k best candidates of one query so far; a heap with the worst on top.
class Best {
 public:
  explicit Best(int64_t k) : k_(static_cast<size_t>(k)) {}

  /// A score up to this one needn't be offered (by rows of a higher number); NaN while there is room.
  float bar() const {
    return heap_.size() < k_ ? std::numeric_limits<float>::quiet_NaN() : heap_.front().score;
  }
  void offer(const Candidate& candidate) {
    if (std::isnan(candidate.score)) return;
    if (heap_.size() == k_) {
      if (!better(candidate, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.pop_back();
    }
    heap_.push_back(candidate);
    std::push_heap(heap_.begin(), heap_.end(), better);
  }
  void take(const Best& other) {
    for (const Candidate& candidate : other.heap_) offer(candidate);
  }
  std::vector<Candidate> sorted() const {
    std::vector<Candidate> best = heap_;
    std::sort(best.begin(), best.end(), better);
    best.resize(k_);
    return best;
  }

 private:
  size_t k_;
  std::vector<Candidate> heap_;
};

/// Queries that go through the rows together.
struct Panel {
  int64_t first = 0;
  int64_t count = 0;
  int64_t width = 0;  // count, rounded up to whole registers unless they are few
  bool few = false;
  std::vector<float> packed;  // dim x width; few: width x dim
};

float length_factor(const ScoreKernel& kernel, const float* values, int64_t count) {
  const float squares = kernel.product(values, values, count);
  return squares == 0 ? 0.0F : static_cast<float>(1 / std::sqrt(static_cast<double>(squares)));
}

Panel pack_panel(const MatrixView& queries, int64_t first, const ScoreKernel& kernel, Metric metric) {
  Panel panel;
  panel.first = first;
  panel.count = std::min(queries.rows - first, kernel.lanes * kernel.panels);
  panel.few = queries.rows <= kernel.lanes / 2;
  panel.width = panel.few ? panel.count : (panel.count + kernel.lanes - 1) / kernel.lanes * kernel.lanes;
  panel.packed.resize(static_cast<size_t>(panel.width * queries.cols));
  const int64_t across = panel.few ? queries.cols : 1;
  const int64_t along = panel.few ? 1 : panel.width;
  for (int64_t q = 0; q < panel.count; ++q) {
    const float* query = queries.data + (first + q) * queries.cols;
    const float factor = metric == Metric::kCosine ? length_factor(kernel, query, queries.cols) : 1.0F;
    for (int64_t i = 0; i < queries.cols; ++i) {
      panel.packed[static_cast<size_t>(q * across + i * along)] = factor * query[i];
    }
  }
  return panel;
}

std::vector<Panel> pack(const MatrixView& queries, const ScoreKernel& kernel, Metric metric) {
  std::vector<Panel> panels;
  for (int64_t first = 0; first < queries.rows; first += kernel.lanes * kernel.panels) {
    panels.push_back(pack_panel(queries, first, kernel, metric));
  }
  return panels;
}

/// One thread's share of a search.
class Search {
 public:
  Search(const std::vector<Panel>& panels, const MatrixView& rows, const ScoreKernel& kernel, Metric metric,
         std::vector<Best>& best)
      : panels_(panels),
        rows_(rows),
        kernel_(kernel),
        metric_(metric),
        best_(best),
        factors_(static_cast<size_t>(kernel.rows), 1.0F),
        bars_(static_cast<size_t>(kernel.lanes * kernel.panels)),
        scores_(static_cast<size_t>(kernel.rows * kernel.lanes * kernel.panels)) {}

  void scan(int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kernel_.rows) {
      const int64_t count = std::min(kernel_.rows, end - first);
      const float* block = rows_.data + first * rows_.cols;
      for (int64_t r = 0; metric_ == Metric::kCosine && r < count; ++r) {
        factors_[static_cast<size_t>(r)] = length_factor(kernel_, block + r * rows_.cols, rows_.cols);
      }
      for (const Panel& panel : panels_) scan_panel(panel, block, first, count);
    }
  }

 private:
  // Lanes without a query hold zeros: their bar lets nothing pass.
  void scan_panel(const Panel& panel, const float* block, int64_t first, int64_t count) {
    const int64_t width = panel.width;
    for (int64_t q = 0; q < width; ++q) {
      bars_[static_cast<size_t>(q)] = q < panel.count ? best_[static_cast<size_t>(panel.first + q)].bar()
                                                      : std::numeric_limits<float>::infinity();
    }
    const auto score = panel.few ? kernel_.score_few : kernel_.score;
    if (!score(panel.packed.data(), width, block, count, rows_.cols, factors_.data(), bars_.data(),
               scores_.data())) {
      return;
    }
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t q = 0; q < panel.count; ++q) {
        const float score = scores_[static_cast<size_t>(r * width + q)];
        if (!(score <= bars_[static_cast<size_t>(q)])) {
          best_[static_cast<size_t>(panel.first + q)].offer({score, first + r});
        }
      }
    }
  }

  const std::vector<Panel>& panels_;
  const MatrixView& rows_;
  const ScoreKernel& kernel_;
  Metric metric_;
  std::vector<Best>& best_;
  std::vector<float> factors_;
  std::vector<float> bars_;
  std::vector<float> scores_;
};

std::vector<const ScoreKernel*> supported_kernels() {
  std::vector<const ScoreKernel*> kernels;
#ifdef HEADRACE_X86_KERNELS
  for (const ScoreKernel* kernel : {&kAvx512Scores, &kAvx2Scores}) {
    if (kernel->supported()) kernels.push_back(kernel);
  }
#endif
  kernels.push_back(&kPortableScores);
  return kernels;
}

const ScoreKernel& choose_kernel(const std::string& name) {
  std::string known;
  for (const ScoreKernel* kernel : supported_kernels()) {
    if (name.empty() || name == kernel->name) return *kernel;
    known += std::string(known.empty() ? "" : ", ") + kernel->name;
  }
  throw ConfigurationError("no kernel '" + name + "' on this processor: it has " + known);
}

TopK collect(const std::vector<std::vector<Best>>& best, int64_t queries, int64_t k) {
  TopK result;
  result.k = k;
  for (int64_t q = 0; q < queries; ++q) {
    Best all(k);
    for (const std::vector<Best>& part : best) all.take(part[static_cast<size_t>(q)]);
    for (const Candidate& candidate : all.sorted()) {
      result.indices.push_back(candidate.index);
      result.scores.push_back(candidate.score);
    }
  }
  return result;
}

}  // namespace

TopK top_k(const MatrixView& queries, const MatrixView& rows, int64_t k, const TopKOptions& options) {
  if (queries.cols != rows.cols) {
    throw ConfigurationError("queries have " + std::to_string(queries.cols) + " columns and rows " +
                             std::to_string(rows.cols) + ": they must come from the same model");
  }
  if (k < 1) throw ConfigurationError("k must be at least 1");
  const ScoreKernel& kernel = choose_kernel(options.kernel);
  k = std::min(k, rows.rows);
  const std::vector<Panel> panels = pack(queries, kernel, options.metric);
  const int64_t workers = thread_count(options.threads, rows.rows / kRowsAtOnce);
  std::vector<std::vector<Best>> best(static_cast<size_t>(workers),
                                      std::vector<Best>(static_cast<size_t>(queries.rows), Best(k)));
  std::atomic<int64_t> next{0};
  run_workers(workers, [&](int64_t worker) {
    Search search(panels, rows, kernel, options.metric, best[static_cast<size_t>(worker)]);
    for (int64_t begin = next.fetch_add(kRowsAtOnce); begin < rows.rows;
         begin = next.fetch_add(kRowsAtOnce)) {
      search.scan(begin, std::min(rows.rows, begin + kRowsAtOnce));
    }
  });
  return collect(best, queries.rows, k);
}

std::vector<std::string> top_k_kernels() {
  std::vector<std::string> names;
  for (const ScoreKernel* kernel : supported_kernels()) names.emplace_back(kernel->name);
  return names;
}

}  // namespace headrace::embed
