/* The commands of mvctl. Each does all of its work and gives the exit status. */
#ifndef TOOLS_MVCTL_COMMANDS_H
#define TOOLS_MVCTL_COMMANDS_H

struct mvctl_options;

int mvctl_list(const struct mvctl_options *options);
int mvctl_describe(const struct mvctl_options *options);
int mvctl_call(const struct mvctl_options *options);
int mvctl_health(const struct mvctl_options *options);

#endif
