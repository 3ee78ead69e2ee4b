// Maps whose size a peer could drive up. Pure.
#pragma once

#include <algorithm>
#include <cstddef>

namespace fairlead {

// Makes room for one more entry of at most `most`: those go first whose `when` is the earliest.
template <class Map, class Time>
void forget_oldest(Map& map, std::size_t most, Time Map::mapped_type::*when) {
  const auto older = [when](const auto& a, const auto& b) { return a.second.*when < b.second.*when; };
  while (map.size() >= most)
    map.erase(std::min_element(map.begin(), map.end(), older));
}

}  // namespace fairlead
