// PathOracle: what paths cost, found by Floyd and Warshall's triple loop over a matrix: nothing in common with the code
// that it judges (PathTree: Dijkstra over lists). Routers are numbers from 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace fairlead::sim {

class PathOracle {
 public:
  static constexpr std::uint64_t kUnreachable = std::numeric_limits<std::uint64_t>::max();

  explicit PathOracle(std::size_t size) : size_(size), links_(size * size, kFar), costs_(size * size, kFar) {
    for (std::size_t i = 0; i < size; ++i)
      costs_[i * size + i] = 0;
  }

  std::size_t size() const noexcept { return size_; }

  // Of several, the cheapest counts.
  void link(std::size_t a, std::size_t b, std::uint64_t cost) {
    for (const std::size_t at : {a * size_ + b, b * size_ + a}) {
      links_[at] = std::min(links_[at], cost);
      costs_[at] = std::min(costs_[at], cost);
    }
  }

  void solve() {
    for (std::size_t middle = 0; middle < size_; ++middle) {
      const std::uint64_t* const onward = &costs_[middle * size_];
      for (std::size_t from = 0; from < size_; ++from) {
        std::uint64_t* const row = &costs_[from * size_];
        const std::uint64_t first = row[middle];
        if (first == kFar) continue;
        for (std::size_t to = 0; to < size_; ++to)
          row[to] = std::min(row[to], first + onward[to]);
      }
    }
  }

  // After solve().
  std::uint64_t cost(std::size_t from, std::size_t to) const noexcept { return told(costs_[from * size_ + to]); }

  // Of the link between them itself.
  std::uint64_t link_cost(std::size_t a, std::size_t b) const noexcept { return told(links_[a * size_ + b]); }

 private:
  // Adding two of them does not overflow.
  static constexpr std::uint64_t kFar = kUnreachable / 4;

  static std::uint64_t told(std::uint64_t cost) noexcept { return cost >= kFar ? kUnreachable : cost; }

  std::size_t size_;
  std::vector<std::uint64_t> links_;
  std::vector<std::uint64_t> costs_;
};

}  // namespace fairlead::sim
