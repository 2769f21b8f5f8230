#include "tests/toy/toy_sample.h"

#include <float.h>
#include <stdlib.h>

#define TOY_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define TOY_BYTES(text)                                                                            \
	{                                                                                          \
		sizeof(text) - 1, (uint8_t *)(text)                                                \
	}

static Toy__V1__Part *
toy_sample_part(size_t index)
{
	static char *tags[] = {"a", "", "ü\"\\\n\x7f\x01€😀"};
	static Toy__V1__Part parts[3];
	Toy__V1__Part *part = &parts[index];

	toy__v1__part__init(part);
	part->name = index == 0 ? "arm" : index == 1 ? "leg" : "";
	part->weight_grams = (int32_t)index * 10 - 5;
	part->n_tags = index == 0 ? TOY_COUNT(tags) : 0;
	part->tags = tags;
	return part;
}

static void
toy_sample_lists(Toy__V1__Toy *toy)
{
	static Toy__V1__Part *parts[3];
	static char *tags[] = {"soft", "", "größer"};
	static int32_t sizes[] = {1, -1, 0, INT32_MAX, INT32_MIN};
	static Toy__V1__Color colors[] = {TOY__V1__COLOR__COLOR_NONE, 0, 77};
	static ProtobufCBinaryData pictures[] = {TOY_BYTES("\0\xff"), TOY_BYTES("")};
	static protobuf_c_boolean flags[] = {1, 0, 1};
	static double prices[] = {0.1, -2.5e-300, DBL_MAX};

	for (size_t i = 0; i < TOY_COUNT(parts); i++) {
		parts[i] = toy_sample_part(i);
	}
	toy->n_parts = TOY_COUNT(parts);
	toy->parts = parts;
	toy->n_tags = TOY_COUNT(tags);
	toy->tags = tags;
	toy->n_sizes = TOY_COUNT(sizes);
	toy->sizes = sizes;
	toy->n_loose_sizes = TOY_COUNT(sizes);
	toy->loose_sizes = sizes;
	toy->n_colors = TOY_COUNT(colors);
	toy->colors = colors;
	toy->n_pictures = TOY_COUNT(pictures);
	toy->pictures = pictures;
	toy->n_flags = TOY_COUNT(flags);
	toy->flags = flags;
	toy->n_prices = TOY_COUNT(prices);
	toy->prices = prices;
}

static void
toy_sample_maps(Toy__V1__Toy *toy)
{
	static Toy__V1__Toy__StockEntry stock[2];
	static Toy__V1__Toy__StockEntry *stock_entries[] = {&stock[0], &stock[1]};
	static Toy__V1__Toy__SparesEntry spare;
	static Toy__V1__Toy__SparesEntry *spare_entries[] = {&spare};

	toy__v1__toy__stock_entry__init(&stock[0]);
	stock[0].key = "Berlin \"Mitte\"";
	stock[0].value = 3;
	toy__v1__toy__stock_entry__init(&stock[1]);
	toy->n_stock = TOY_COUNT(stock_entries);
	toy->stock = stock_entries;
	toy__v1__toy__spares_entry__init(&spare);
	spare.key = INT64_MIN;
	spare.value = toy_sample_part(1);
	toy->n_spares = TOY_COUNT(spare_entries);
	toy->spares = spare_entries;
}

static void
toy_sample_integers(Toy__V1__Toy *toy)
{
	toy->u32 = UINT32_MAX;
	toy->u64 = UINT64_MAX;
	toy->s32 = INT32_MIN;
	toy->s64 = INT64_MIN;
	toy->f32 = UINT32_MAX;
	toy->f64 = UINT64_MAX;
	toy->sf32 = INT32_MIN;
	toy->sf64 = INT64_MIN;
	toy->i32 = INT32_MAX;
}

const Toy__V1__Toy *
toy_sample(void)
{
	static Toy__V1__Toy toy;

	toy__v1__toy__init(&toy);
	toy.id = INT64_MAX;
	toy.name = "Bär & Söhne";
	toy.color = TOY__V1__COLOR__COLOR_BLUE;
	toy.kind = TOY__V1__TOY__KIND__KIND_BEAR;
	toy.squeaks = 1;
	toy.price = 19.99;
	toy.weight = 0.1f;
	toy.picture = (ProtobufCBinaryData)TOY_BYTES("\x89PNG\r\n");
	toy.secret = "hush";
	toy.main_part = toy_sample_part(0);
	toy_sample_lists(&toy);
	toy.power_case = TOY__V1__TOY__POWER_MOTOR;
	toy.motor = toy_sample_part(1);
	toy_sample_maps(&toy);
	toy_sample_integers(&toy);
	return &toy;
}

uint8_t *
toy_pack(const Toy__V1__Toy *toy, size_t *len)
{
	uint8_t *bytes;

	*len = toy__v1__toy__get_packed_size(toy);
	bytes = malloc(*len + 1);
	if (bytes == NULL) {
		abort();
	}
	toy__v1__toy__pack(toy, bytes);
	return bytes;
}
