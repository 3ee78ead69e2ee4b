// One function per command. Each prints its results to stdout, what is wrong to stderr, and returns the exit code.
#pragma once

#include "router/site/paths.h"
#include "tools/fairlead/arguments.h"

namespace fairlead {

int run_gateway(const CommonArguments& common, const RunArguments& arguments);
int check_resources(const CommonArguments& common, const CheckArguments& arguments);
int print_generated_link(const CommonArguments& common, const LinkGenerateArguments& arguments);
int print_link_status(const CommonArguments& common, const LinkStatusArguments& arguments);
int test_link(const CommonArguments& common, const LinkTestArguments& arguments);
int print_network_status(const CommonArguments& common, const NetworkStatusArguments& arguments);
int print_route(const CommonArguments& common, const RouteArguments& arguments);
int print_trace(const CommonArguments& common, const TraceArguments& arguments);
int run_bench(const CommonArguments& common, const BenchArguments& arguments);
int issue_token(const CommonArguments& common, const TokenIssueArguments& arguments);
int redeem_token(const CommonArguments& common, const TokenRedeemArguments& arguments);
int print_resource_status(const CommonArguments& common, const ResourceStatusArguments& arguments);
int change_resource(const CommonArguments& common, const ResourceChangeArguments& arguments);
int apply_files(const CommonArguments& common, const SystemApplyArguments& arguments);
int start_system(const CommonArguments& common, const SystemStartArguments& arguments);
int stop_system(const CommonArguments& common, const SystemStopArguments& arguments);
int print_system_status(const CommonArguments& common, const SystemStatusArguments& arguments);
int install_service(const CommonArguments& common, const SystemInstallArguments& arguments);
int uninstall_service(const CommonArguments& common, const SystemUninstallArguments& arguments);
int change_log_level(const CommonArguments& common, const SystemLogLevelArguments& arguments);
int reload_gateway(const CommonArguments& common, const SystemReloadArguments& arguments);
int check_system(const CommonArguments& common, const DebugCheckArguments& arguments);
int generate_bundle(const CommonArguments& common, const SystemBundleArguments& arguments);
int dump_system(const CommonArguments& common, const DebugDumpArguments& arguments);
int show_top(const CommonArguments& common, const TopArguments& arguments);
int print_version();

// A part of two of them: puts the resources of a file into the input, or takes them out, and says so.
int put_files(const NamespacePaths& paths, const SystemApplyArguments& arguments);

}  // namespace fairlead
