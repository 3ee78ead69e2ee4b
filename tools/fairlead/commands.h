// One function per command. Each prints its results to stdout, what is wrong to stderr, and returns the exit code.
#pragma once

#include "tools/fairlead/arguments.h"

namespace fairlead {

int run_gateway(const CommonArguments& common, const RunArguments& arguments);
int check_resources(const CommonArguments& common, const CheckArguments& arguments);
int print_generated_link(const CommonArguments& common, const LinkGenerateArguments& arguments);
int print_link_status(const CommonArguments& common, const LinkStatusArguments& arguments);
int print_network_status(const CommonArguments& common, const NetworkStatusArguments& arguments);
int print_route(const CommonArguments& common, const RouteArguments& arguments);
int print_trace(const CommonArguments& common, const TraceArguments& arguments);
int issue_token(const CommonArguments& common, const TokenIssueArguments& arguments);
int redeem_token(const CommonArguments& common, const TokenRedeemArguments& arguments);
int print_resource_status(const CommonArguments& common, const ResourceStatusArguments& arguments);
int reload_gateway(const CommonArguments& common, const SystemReloadArguments& arguments);
int print_version();

}  // namespace fairlead
