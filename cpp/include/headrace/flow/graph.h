#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "headrace/base/cancel.h"

namespace headrace {

/// A graph of native tasks run in the order of their edges: for work inside one process that needs no
/// journal. Built by one thread; `run` may be called again when it has returned. Some 30 ns a node beside its
/// own work.
class Graph {
 public:
  using Node = std::uint32_t;

  Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  ~Graph();

  void reserve(std::size_t nodes, std::size_t edges);
  Node add(std::function<void()> work);
  /// `after` starts when `before` has ended.
  void edge(Node before, Node after);
  std::size_t size() const noexcept { return works_.size(); }

  /// Runs every node once on `threads` threads (the caller's among them). The first exception of a node stops
  /// the rest and is thrown; WorkflowValidationError where a cycle keeps nodes from running.
  void run(int threads = 1, const CancelToken& cancel = {});

  /// Nodes so that each comes after all before it, ties by number; a cycle's nodes are left out.
  std::vector<Node> order() const;

 private:
  struct Links;
  void link() const;

  std::vector<std::function<void()>> works_;
  std::vector<std::pair<Node, Node>> edges_;
  mutable std::unique_ptr<Links> links_;
};

}  // namespace headrace
