// One function per kind: the fields of its `spec` (or `data`), after the document's envelope was read. Each returns the
// resource as far as it could be read; what was wrong is in the diagnostics.
#pragma once

#include "router/site/field_reader.h"
#include "router/site/resources.h"

namespace fairlead {

void read_site(DocumentContext& context, FieldReader& spec, Site& site);
void read_link(DocumentContext& context, FieldReader& spec, Link& link);
void read_router_access(DocumentContext& context, FieldReader& spec, RouterAccess& access);
void read_listener(DocumentContext& context, FieldReader& spec, Listener& listener);
void read_multi_key_listener(DocumentContext& context, FieldReader& spec, MultiKeyListener& listener);
void read_connector(DocumentContext& context, FieldReader& spec, Connector& connector);
void read_access_grant(DocumentContext& context, FieldReader& spec, AccessGrant& grant);
void read_access_token(DocumentContext& context, FieldReader& spec, AccessToken& token);
// A Secret has no spec: `document` is the whole of it.
void read_secret(DocumentContext& context, FieldReader& document, Secret& secret);

}  // namespace fairlead
