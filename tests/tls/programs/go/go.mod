module rover.test/https

go 1.21
