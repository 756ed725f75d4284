#include "headrace/flow/graph.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <queue>
#include <thread>

#include "headrace/base/error.h"

namespace headrace {

/// Successors in one array, by the node before them; the number of nodes each waits for.
struct Graph::Links {
  std::vector<std::uint32_t> first;
  std::vector<Node> next;
  std::vector<std::uint32_t> waits;
};

Graph::Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
Graph::~Graph() = default;

void Graph::reserve(std::size_t nodes, std::size_t edges) {
  works_.reserve(nodes);
  edges_.reserve(edges);
}

Graph::Node Graph::add(std::function<void()> work) {
  links_.reset();
  works_.push_back(std::move(work));
  return static_cast<Node>(works_.size() - 1);
}

void Graph::edge(Node before, Node after) {
  if (before >= works_.size() || after >= works_.size())
    throw WorkflowValidationError("an edge to a node that isn't there");
  links_.reset();
  edges_.emplace_back(before, after);
}

void Graph::link() const {
  if (links_) return;
  auto links = std::make_unique<Links>();
  links->first.assign(works_.size() + 1, 0);
  links->waits.assign(works_.size(), 0);
  links->next.resize(edges_.size());
  for (const auto& [before, after] : edges_) {
    ++links->first[before + 1];
    ++links->waits[after];
  }
  for (std::size_t i = 1; i < links->first.size(); ++i) links->first[i] += links->first[i - 1];
  std::vector<std::uint32_t> at(links->first.begin(), links->first.end() - 1);
  for (const auto& [before, after] : edges_) links->next[at[before]++] = after;
  links_ = std::move(links);
}

std::vector<Graph::Node> Graph::order() const {
  link();
  std::vector<std::uint32_t> waits = links_->waits;
  std::priority_queue<Node, std::vector<Node>, std::greater<>> ready;
  for (Node node = 0; node < works_.size(); ++node) {
    if (waits[node] == 0) ready.push(node);
  }
  std::vector<Node> sorted;
  while (!ready.empty()) {
    const Node node = ready.top();
    ready.pop();
    sorted.push_back(node);
    for (auto at = links_->first[node]; at < links_->first[node + 1]; ++at) {
      if (--waits[links_->next[at]] == 0) ready.push(links_->next[at]);
    }
  }
  return sorted;
}

namespace {

/// One run: a shared stack of ready nodes; a worker goes on with a successor of its own without touching it.
class Execution {
 public:
  Execution(const std::vector<std::function<void()>>& works, const std::vector<std::uint32_t>& first,
            const std::vector<Graph::Node>& next, const std::vector<std::uint32_t>& waits,
            const CancelToken& cancel)
      : works_(works),
        first_(first),
        next_(next),
        waits_(waits.size()),
        cancel_(cancel),
        left_(works.size()) {
    for (std::size_t i = 0; i < waits.size(); ++i) {
      waits_[i].store(waits[i], std::memory_order_relaxed);
      if (waits[i] == 0) ready_.push_back(static_cast<Graph::Node>(i));
    }
  }

  void work() {
    Graph::Node node;
    while (take(node)) {
      std::size_t done = 0;
      try {
        for (bool more = true; more && !stopped_.load(std::memory_order_relaxed); ++done) {
          works_[node]();
          more = pass_on(node);
        }
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        stopped_ = true;
      }
      finish(done);
    }
  }

  std::exception_ptr error() const { return error_; }
  std::size_t left() const { return left_; }

 private:
  /// Readies the successors; true: `node` is now the one to go on with.
  bool pass_on(Graph::Node& node) {
    bool mine = false;
    Graph::Node own = 0;
    for (auto at = first_[node]; at < first_[node + 1]; ++at) {
      const Graph::Node next = next_[at];
      if (waits_[next].fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
      if (mine) {
        push(next);
      } else {
        own = next;
        mine = true;
      }
    }
    if (cancel_.cancelled()) stopped_ = true;
    node = own;
    return mine;
  }

  void push(Graph::Node node) {
    bool wake;
    {
      const std::lock_guard lock(mutex_);
      ready_.push_back(node);
      wake = sleeping_ > 0;
    }
    if (wake) wakes_.notify_one();
  }

  bool take(Graph::Node& node) {
    std::unique_lock lock(mutex_);
    while (ready_.empty() || stopped_) {
      // Nothing ready and nobody at work: all is done, or a cycle holds the rest.
      if (busy_ == 0 || stopped_) {
        wakes_.notify_all();
        return false;
      }
      ++sleeping_;
      wakes_.wait(lock);
      --sleeping_;
    }
    node = ready_.back();
    ready_.pop_back();
    ++busy_;
    return true;
  }

  void finish(std::size_t done) {
    const std::lock_guard lock(mutex_);
    left_ -= done;
    --busy_;
    if (busy_ == 0 && (ready_.empty() || stopped_)) wakes_.notify_all();
  }

  const std::vector<std::function<void()>>& works_;
  const std::vector<std::uint32_t>& first_;
  const std::vector<Graph::Node>& next_;
  std::vector<std::atomic<std::uint32_t>> waits_;
  const CancelToken& cancel_;
  std::mutex mutex_;
  std::condition_variable wakes_;
  std::vector<Graph::Node> ready_;
  std::size_t left_;
  int busy_ = 0;
  int sleeping_ = 0;
  std::atomic<bool> stopped_{false};
  std::exception_ptr error_;
};

}  // namespace

void Graph::run(int threads, const CancelToken& cancel) {
  link();
  Execution execution(works_, links_->first, links_->next, links_->waits, cancel);
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&] { execution.work(); });
  execution.work();
  for (std::thread& other : others) other.join();
  if (execution.error()) std::rethrow_exception(execution.error());
  if (execution.left() > 0 && !cancel.cancelled()) {
    throw WorkflowValidationError("a cycle keeps " + std::to_string(execution.left()) +
                                  " nodes from running");
  }
}

}  // namespace headrace
