#include "tests/specimen.h"

static const struct {
	const ProtobufCMessageDescriptor *input, *output;
} specimen_messages[] = {
    [RESOURCE_GET] = {&specimen__v1__get_specimen_request__descriptor,
	&specimen__v1__specimen__descriptor},
    [RESOURCE_LIST] = {&specimen__v1__list_specimens_request__descriptor,
	&specimen__v1__list_specimens_response__descriptor},
    [RESOURCE_CREATE_ONE] = {&specimen__v1__create_specimen_request__descriptor,
	&specimen__v1__specimen__descriptor},
    [RESOURCE_CREATE_MANY] = {&specimen__v1__many_specimens_request__descriptor,
	&specimen__v1__many_specimens_response__descriptor},
    [RESOURCE_REPLACE_ONE] = {&specimen__v1__replace_specimen_request__descriptor,
	&specimen__v1__specimen__descriptor},
    [RESOURCE_REPLACE_MANY] = {&specimen__v1__many_specimens_request__descriptor,
	&specimen__v1__many_specimens_response__descriptor},
    [RESOURCE_DELETE_ONE] = {&specimen__v1__delete_specimen_request__descriptor,
	&specimen__v1__delete_specimen_response__descriptor},
    [RESOURCE_UPDATE_ONE] = {&specimen__v1__update_specimen_request__descriptor,
	&specimen__v1__specimen__descriptor},
    [RESOURCE_GET_MANY] = {&specimen__v1__many_specimen_ids_request__descriptor,
	&specimen__v1__many_get_specimens_response__descriptor},
    [RESOURCE_DELETE_MANY] = {&specimen__v1__many_specimen_ids_request__descriptor,
	&specimen__v1__delete_specimen_response__descriptor},
};

enum status_code
specimen_bind_methods(struct resource_bound *bound,
    struct resource_method methods[RESOURCE_ACTIONS], struct error *error)
{
	enum status_code code = STATUS_OK;

	for (int i = 0; i < RESOURCE_ACTIONS && code == STATUS_OK; i++) {
		code = resource_method_bind(&methods[i], bound, (enum resource_action)i,
		    specimen_messages[i].input, specimen_messages[i].output, error);
	}
	return code;
}
