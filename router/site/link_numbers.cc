#include "router/site/link_numbers.h"

#include <map>
#include <string_view>
#include <tuple>

namespace fairlead {

std::vector<unsigned> number_links(const std::vector<LinkStatus>& links) {
  std::map<std::tuple<bool, std::string_view, std::string_view>, unsigned> seen;
  std::vector<unsigned> numbers;
  numbers.reserve(links.size());
  for (const LinkStatus& link : links)
    numbers.push_back(seen[{link.incoming, link.name, link.remote_site_id}]++);
  return numbers;
}

}  // namespace fairlead
