/*
 * version - of the whole toolkit
 */
#ifndef DIST_VERSION_H
#define DIST_VERSION_H

#define DIST_VERSION "0.1.0"

#endif
