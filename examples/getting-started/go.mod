module getting-started

go 1.26
